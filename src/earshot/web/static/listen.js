"use strict";
// The play buttons of lists: one sound at a time, for every button that is there now or comes later.
(() => {
  const sound = new Audio();
  sound.preload = "none";
  let button = null;

  const show = (playing) => {
    if (!button) return;
    button.setAttribute("aria-pressed", String(playing));
    const name = button.getAttribute("aria-label").replace(/^(Play|Pause) /, "");
    button.setAttribute("aria-label", (playing ? "Pause " : "Play ") + name);
  };
  sound.addEventListener("playing", () => show(true));
  sound.addEventListener("pause", () => show(false));
  sound.addEventListener("ended", () => show(false));
  sound.addEventListener("error", () => { show(false); if (button) button.title = "The sound could not be played."; });

  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("[data-listen]");
    if (!pressed) return;
    if (pressed === button && !sound.paused) { sound.pause(); return; }
    if (pressed !== button) {
      show(false);
      button = pressed;
      sound.src = pressed.dataset.listen;
    }
    sound.play().catch(() => show(false));
  });
  window.earshotIsPlaying = () => !sound.paused;
})();
