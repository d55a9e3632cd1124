window.addEventListener("load", () => {
  for (const box of document.querySelectorAll(".table-wrapper, div.formula, div.highlight pre"))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
});
