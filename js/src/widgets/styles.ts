import css from "./styles.css?inline";

/** Put the styles into the document, or the shadow root, that the element lies in; once. */
export function addStyles(el: HTMLElement): void {
  const found = el.getRootNode();
  const root = found instanceof ShadowRoot ? found : document.head;
  if (root.querySelector("style[data-wk-jupyter]")) return;
  const style = document.createElement("style");
  style.dataset.wkJupyter = "";
  style.textContent = css;
  root.append(style);
}
