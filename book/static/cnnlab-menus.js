// The theme's page has each menu button twice, and its scripts listen to the first alone, which stands in a header that is
// not shown. What is pressed hands its click on to that one.
for (const name of [".primary-toggle", ".secondary-toggle"]) {
  const [first, ...others] = document.querySelectorAll(name);
  for (const other of others) other.addEventListener("click", () => first.click());
}
