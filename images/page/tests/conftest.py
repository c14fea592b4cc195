import sys
from pathlib import Path

_IMAGES = Path(__file__).parents[2]
sys.path[:0] = [str(_IMAGES / "page"), str(_IMAGES / "collector"), str(Path(__file__).parent)]
