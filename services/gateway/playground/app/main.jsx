import "./workers.js";
import "graphiql/style.css";
import "./style.css";
import { createRoot } from "react-dom/client";
import { App } from "./app.jsx";
import { takeTokenFromFragment } from "./token.js";

takeTokenFromFragment();
// A link with a token may also be opened in a tab that shows the playground already: then only the fragment changes.
addEventListener("hashchange", takeTokenFromFragment);

createRoot(document.getElementById("root")).render(<App />);
