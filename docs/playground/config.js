// Where Pyodide 0.27.7 is: a full address, or a folder beside this page.
export const PYODIDE = "https://cdn.jsdelivr.net/pyodide/v0.27.7/full/";
