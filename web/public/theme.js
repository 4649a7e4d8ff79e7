// Runs before the first paint so that a chosen theme never flashes the other one.
(function () {
  try {
    var chosen = localStorage.getItem('coditect.theme');
    if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage can be switched off; the system's theme is a good answer then.
  }
})();
