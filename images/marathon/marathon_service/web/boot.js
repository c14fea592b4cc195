// Starts the page. A file that did not come, as when the network changed just then, is no reason for an empty page.

const TRIES = 6;
const tries = Number(sessionStorage.getItem("tries") ?? 0);

import("./main.js").then(
  () => sessionStorage.removeItem("tries"),
  (problem) => {
    console.error(problem);
    if (tries >= TRIES) {
      sessionStorage.removeItem("tries");
      document.getElementById("page").textContent = "The page could not be loaded. Load it again.";
      return;
    }
    sessionStorage.setItem("tries", String(tries + 1));
    setTimeout(() => location.reload(), 300 * 2 ** tries);
  },
);
