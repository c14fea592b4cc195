"""How the framework reads and drives HTCondor: ads to values, and the processes that fetch them."""
