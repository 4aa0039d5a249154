/** The style sheet of `/docs`. */
export const docsStyle = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
nav ul { columns: 16rem; padding-left: 1rem; }
section { border-top: 1px solid var(--line); padding: 0.5rem 0 1rem; }
h3 { margin-bottom: 0; font-size: 1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em; }
pre { background: var(--soft); padding: 0.75rem; overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: 0.2rem 0.6rem; text-align: left; vertical-align: top; }
a { color: inherit; }
summary { cursor: pointer; }
`.trimStart();
