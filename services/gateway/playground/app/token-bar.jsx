import { useState, useSyncExternalStore } from "react";
import icon from "./icon.svg";
import { clearTabs } from "./storage.js";
import { currentToken, describeToken, setToken, subscribeToken } from "./token.js";

export function TokenBar() {
  const token = useSyncExternalStore(subscribeToken, currentToken);
  return (
    <header className="token-bar">
      <span className="token-bar-name">
        <img src={icon} alt="" width="22" height="22" />
        Interlock
      </span>
      <label className="token-bar-field">
        Token
        <input
          type="text"
          aria-label="Bearer token"
          placeholder="Paste a token to publish or to buy; searching and watching need none"
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          value={token}
          onChange={(event) => setToken(event.target.value)}
        />
      </label>
      {token ? <Viewer token={token} /> : <Hint />}
      <button
        type="button"
        className="token-bar-button"
        title="Bring back the four ready tabs, with tomorrow's date; what you wrote in the tabs is lost"
        onClick={() => {
          clearTabs();
          location.reload();
        }}
      >
        Fresh tabs
      </button>
    </header>
  );
}

function Hint() {
  return (
    <span className="token-bar-note">
      get one: <code>interlock token --role ADMIN --subject me</code>
    </span>
  );
}

function Viewer({ token }) {
  const claims = describeToken(token);
  return (
    <span className="token-bar-note" role="status">
      {claims ? <Claims key={token} {...claims} /> : <span className="token-bar-warning">this is not a token (a JWT)</span>}
      <button type="button" className="token-bar-button" onClick={() => setToken("")}>
        Forget
      </button>
    </span>
  );
}

function Claims({ subject, roles, expiresAt }) {
  // Read once, when the token is put in: a bar that counts down would only distract.
  const [openedAt] = useState(() => new Date());
  return (
    <>
      {subject && <strong>{subject}</strong>}
      {roles.map((role) => (
        <span key={role} className="token-bar-role">
          {role}
        </span>
      ))}
      {expiresAt && expiresAt < openedAt && <span className="token-bar-warning">expired</span>}
      {expiresAt && expiresAt >= openedAt && (
        <span>until {expiresAt.toLocaleString([], { dateStyle: "short", timeStyle: "short" })}</span>
      )}
    </>
  );
}
