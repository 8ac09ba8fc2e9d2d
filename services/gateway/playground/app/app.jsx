import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { GraphiQL } from "graphiql";
import { useEffect, useState } from "react";
import { createFetcher, subscribe } from "./fetcher.js";
import { createHandOver } from "./handover.js";
import { createPaymentWatch } from "./payment.js";
import { PaymentBar } from "./payment-bar.jsx";
import { tabStorage } from "./storage.js";
import { readyTabs } from "./tabs.js";
import { TokenBar } from "./token-bar.jsx";

export function App() {
  const [handOver] = useState(createHandOver);
  const [payments] = useState(() => createPaymentWatch(subscribe));
  const [fetcher] = useState(() =>
    createFetcher((result) => {
      handOver.learn(result);
      payments.learn(result);
    }),
  );
  const [tabs] = useState(readyTabs);
  return (
    <>
      <TokenBar />
      <PaymentBar watch={payments} />
      <main>
        <GraphiQL
          fetcher={fetcher}
          defaultTabs={tabs}
          defaultEditorToolsVisibility="variables"
          storage={tabStorage}
          shouldPersistHeaders={false}
        >
          <ReadyTabs handOver={handOver} />
        </GraphiQL>
      </main>
    </>
  );
}

// GraphiQL opens with the first tab's query but without its variables, and knows nothing of ids that one tab shows and
// another needs. Both are made good here.
function ReadyTabs({ handOver }) {
  const { changeTab } = useGraphiQLActions();
  const { activeTabIndex, queryEditor, variableEditor } = useGraphiQL((state) => ({
    activeTabIndex: state.activeTabIndex,
    queryEditor: state.queryEditor,
    variableEditor: state.variableEditor,
  }));
  const ready = Boolean(queryEditor && variableEditor);
  const [opened, setOpened] = useState(false);

  useEffect(() => {
    if (!ready || opened) return;
    changeTab(activeTabIndex);
    setOpened(true);
  }, [ready, opened, activeTabIndex, changeTab]);

  useEffect(() => {
    if (!opened) return undefined;
    const fill = () => {
      const before = variableEditor.getValue();
      const after = handOver.fill(before);
      if (after !== before) variableEditor.setValue(after);
    };
    fill();
    return handOver.subscribe(fill);
  }, [opened, activeTabIndex, variableEditor, handOver]);

  return null;
}
