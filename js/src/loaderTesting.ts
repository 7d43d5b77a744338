/** What stands in for the viewer's code in tests of the loader. */
export function render({ el }: { el: HTMLElement }): () => void {
  el.textContent = "from the server";
  return () => el.remove();
}
