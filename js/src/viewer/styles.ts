/**
 * The viewer's own styles, put into its element, so that it looks the same in any page and in a shadow root.
 * Colours come from the theme by `--wk-…` variables, which fall back on JupyterLab's and then on fixed ones.
 */
export const VIEWER_CSS = `
.wk-viewer {
  --wk-viewer-text: var(--wk-text, var(--jp-ui-font-color1, #212121));
  --wk-viewer-dim: var(--wk-dim, var(--jp-ui-font-color2, #616161));
  --wk-viewer-back: var(--jp-layout-color1, #fff);
  --wk-viewer-panel: var(--jp-layout-color2, #eee);
  --wk-viewer-accent: var(--wk-accent, var(--jp-brand-color1, #1976d2));
  position: absolute;
  inset: 0;
  display: flex;
  flex-direction: column;
  outline: none;
  overflow: hidden;
  background: var(--wk-viewer-back);
  color: var(--wk-viewer-text);
  font: 12px / 1.4 var(--jp-ui-font-family, system-ui, sans-serif);
}
.wk-viewer [hidden] { display: none !important; }
.wk-viewer-stage {
  position: relative;
  flex: 1;
  min-height: 0;
  isolation: isolate;
  cursor: crosshair;
  touch-action: pan-y;
  user-select: none;
  -webkit-user-select: none;
}
/* As the wheel does, a finger scrolls the page until the viewer has the focus. */
.wk-viewer:focus-within .wk-viewer-stage { touch-action: none; }
.wk-viewer canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; z-index: 1; }
.wk-viewer .wk-overlay { position: absolute; inset: 0; overflow: hidden; pointer-events: none; }
.wk-viewer .wk-panel { position: absolute; box-sizing: border-box; background: var(--wk-viewer-panel); }
.wk-viewer .wk-panel::after {
  content: "";
  position: absolute;
  inset: 0;
  z-index: 2;
  border: 2px solid var(--wk-plane);
}
.wk-viewer .wk-panel > * { z-index: 3; }
.wk-viewer .wk-panel-name {
  position: absolute;
  top: 0;
  left: 0;
  padding: 3px 6px;
  border-bottom-right-radius: 4px;
  background: var(--wk-plane);
  color: #fff;
  font-weight: 600;
  font-size: 10px;
  line-height: 1;
}
.wk-viewer .wk-panel[data-plane="xz"] .wk-panel-name { color: #123; }
.wk-viewer .wk-line { position: absolute; opacity: 0.7; }
.wk-viewer .wk-line-v {
  left: 50%;
  top: 0;
  bottom: 0;
  width: 1px;
  background: linear-gradient(var(--wk-plane) calc(50% - 12px), transparent 0 calc(50% + 12px), var(--wk-plane) 0);
}
.wk-viewer .wk-line-h {
  top: 50%;
  left: 0;
  right: 0;
  height: 1px;
  background: linear-gradient(90deg, var(--wk-plane) calc(50% - 12px), transparent 0 calc(50% + 12px), var(--wk-plane) 0);
}
.wk-viewer .wk-scale {
  position: absolute;
  right: 10px;
  bottom: 10px;
  height: 5px;
  box-sizing: border-box;
  border: solid #fff;
  border-width: 0 1.5px 1.5px;
  filter: drop-shadow(0 0 1px #000) drop-shadow(0 0 2px #000);
}
.wk-viewer .wk-scale-label {
  position: absolute;
  bottom: 3px;
  left: 50%;
  transform: translateX(-50%);
  white-space: nowrap;
  color: #fff;
  font-size: 11px;
}
.wk-viewer .wk-facts {
  position: absolute;
  box-sizing: border-box;
  padding: 10px 14px;
  overflow: hidden;
  color: var(--wk-viewer-dim);
}
.wk-viewer .wk-facts-name {
  margin-bottom: 6px;
  color: var(--wk-viewer-text);
  font-weight: 600;
  overflow-wrap: anywhere;
}
.wk-viewer .wk-facts-list {
  display: grid;
  grid-template-columns: minmax(3em, max-content) 1fr;
  gap: 1px 12px;
  margin: 0 0 8px;
}
.wk-viewer .wk-facts { container-type: size; }
@container (max-width: 300px) or (max-height: 200px) {
  .wk-viewer .wk-facts-keys { display: none; }
  .wk-viewer .wk-facts-list { font-size: 11px; gap: 0 8px; }
}
.wk-viewer .wk-facts-list dt { margin: 0; width: auto; max-width: 12em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.wk-viewer .wk-facts-list dd { margin: 0; width: auto; color: var(--wk-viewer-text); font-variant-numeric: tabular-nums; }
.wk-viewer .wk-info {
  flex: none;
  display: flex;
  gap: 16px;
  height: 22px;
  padding: 0 8px;
  box-sizing: border-box;
  align-items: center;
  overflow: hidden;
  white-space: pre;
  color: var(--wk-viewer-dim);
  font: 11px / 1 var(--jp-code-font-family, ui-monospace, monospace);
}
.wk-viewer .wk-info-position, .wk-viewer .wk-info-view { flex: none; }
.wk-viewer .wk-info-position { color: var(--wk-viewer-text); }
.wk-viewer .wk-info-hover {
  flex: 1;
  min-width: 0;
  overflow: hidden;
  text-align: right;
  text-overflow: ellipsis;
  color: var(--wk-viewer-text);
}
.wk-viewer .wk-busy {
  position: absolute;
  left: 0;
  right: 0;
  top: 0;
  height: 3px;
  z-index: 4;
  background: linear-gradient(90deg, transparent, var(--wk-viewer-accent), transparent) no-repeat;
  background-size: 40% 100%;
  /* Short loads show nothing. */
  animation: wk-viewer-busy 1.1s linear 0.3s infinite;
  background-position: -100% 0;
}
@keyframes wk-viewer-busy {
  from { background-position: -80% 0; }
  to { background-position: 180% 0; }
}
@media (prefers-reduced-motion: reduce) {
  .wk-viewer .wk-busy { animation: none; background-size: 100% 100%; background-position: 0 0; }
}
.wk-viewer .wk-message {
  position: absolute;
  left: 10px;
  right: 10px;
  top: 10px;
  z-index: 5;
  width: fit-content;
  max-width: 60em;
  margin: 0 auto;
  padding: 6px 12px;
  border-radius: 4px;
  border-left: 4px solid var(--jp-error-color1, #c62828);
  background: var(--wk-viewer-back);
  color: var(--wk-viewer-text);
  box-shadow: 0 1px 6px rgb(0 0 0 / 40%);
  overflow-wrap: anywhere;
}
.wk-viewer:focus-visible::after {
  content: "";
  position: absolute;
  inset: 0;
  z-index: 6;
  border: 2px solid var(--wk-viewer-accent);
  pointer-events: none;
}
`;
