import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect, useRef, useSyncExternalStore } from "react";
import { createPortal } from "react-dom";
import { storeTabs } from "./tabs.js";

/** The strip above GraphiQL: the tour, and whom the operations are sent as. */
export function Bar({ demo, tour, subscriptions }) {
  useStoredEdits();
  useReadiness();
  useWrappedLines();
  useVisibleTab();
  return createPortal(
    <>
      <h1>SkillSync GraphQL</h1>
      {tour.length > 0 && <Tour steps={tour} />}
      {subscriptions && <Connection subscriptions={subscriptions} />}
      {demo && <Account demo={demo} />}
    </>,
    document.getElementById("bar"),
  );
}

function Tour({ steps }) {
  const open = useOpenTab();
  return (
    <label>
      Tour
      <select value="" onChange={(event) => open(steps[Number(event.target.value)])}>
        <option value="" disabled>
          Open an operation…
        </option>
        {steps.map(({ title }, index) => (
          <option key={title} value={index}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}

function Connection({ subscriptions }) {
  const isLost = useSyncExternalStore(subscriptions.subscribe, subscriptions.snapshot);
  return isLost && <span role="status">The subscription has lost the server and waits for it…</span>;
}

function Account({ demo }) {
  const session = useSyncExternalStore(demo.subscribe, demo.snapshot);
  useSignedHeaders(demo, session);
  return (
    <>
      <label className="account">
        Signed in as
        <select value={session.email} onChange={(event) => demo.choose(event.target.value)}>
          {demo.accounts.map(({ label, email }) => (
            <option key={email} value={email}>
              {label}
            </option>
          ))}
          <option value="anonymous">nobody (anonymous)</option>
        </select>
      </label>
      {session.busy && !session.token && <span role="status">signing in…</span>}
      {session.failure && <span role="alert">Could not sign in: {session.failure}</span>}
    </>
  );
}

/** Opens an operation in the tab that already has it, or else in a new one. */
function useOpenTab() {
  const { addTab, changeTab } = useGraphiQLActions();
  const { tabs, queryEditor, variableEditor } = useGraphiQL(({ tabs, queryEditor, variableEditor }) => ({
    tabs,
    queryEditor,
    variableEditor,
  }));
  return ({ query, variables }) => {
    const index = tabs.findIndex((tab) => tab.query === query);
    if (index >= 0) {
      changeTab(index);
      return;
    }
    addTab();
    queryEditor?.setValue(query);
    variableEditor?.setValue(variables ?? "");
  };
}

/**
 * Keeps the headers of the open tab signed: after a choice of account every tab gets its token once, when it is
 * next looked at; after that only an outdated token of ours is replaced, so that what the user writes stays.
 */
function useSignedHeaders(demo, session) {
  const signed = useRef(new Map()); // tab id -> the choice of account its headers were signed for
  const { tabId, headerEditor } = useGraphiQL(({ tabs, activeTabIndex, headerEditor }) => ({
    tabId: tabs[activeTabIndex].id,
    headerEditor,
  }));
  useEffect(() => {
    if (!headerEditor || (session.email !== "anonymous" && !session.token)) return;
    const text = headerEditor.getValue();
    const next = demo.signed(text, { sign: signed.current.get(tabId) !== session.choice });
    signed.current.set(tabId, session.choice);
    if (next !== text) headerEditor.setValue(next);
  }, [demo, session, tabId, headerEditor]);
}

/** The page takes no clicks before its editors exist: a tab changed earlier would show the text of the first one. */
function useReadiness() {
  const ready = useGraphiQL(({ queryEditor, variableEditor, headerEditor, responseEditor }) =>
    Boolean(queryEditor && variableEditor && headerEditor && responseEditor),
  );
  useEffect(() => {
    document.getElementById("graphiql").toggleAttribute("inert", !ready);
  }, [ready]);
}

/** Long lines are wrapped, as in the answer: half a screen is narrow, and the comments of the tour are meant to be read. */
function useWrappedLines() {
  const { queryEditor, variableEditor } = useGraphiQL(({ queryEditor, variableEditor }) => ({
    queryEditor,
    variableEditor,
  }));
  useEffect(() => {
    for (const editor of [queryEditor, variableEditor]) editor?.updateOptions({ wordWrap: "on", wrappingIndent: "indent" });
  }, [queryEditor, variableEditor]);
}

/** The open tab is in sight: the tour has more of them than fit, and chooses among them. */
function useVisibleTab() {
  const active = useGraphiQL(({ activeTabIndex }) => activeTabIndex);
  useEffect(() => {
    document.querySelectorAll('#graphiql [role="tab"]')[active]?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [active]);
}

function useStoredEdits() {
  const latest = useGraphiQL(({ storage, tabs, activeTabIndex, queryEditor, variableEditor }) => ({
    storage,
    tabs,
    activeTabIndex,
    queryEditor,
    variableEditor,
  }));
  useEffect(() => {
    const store = () => storeTabs(latest);
    addEventListener("pagehide", store);
    return () => removeEventListener("pagehide", store);
  }, [latest]);
}
