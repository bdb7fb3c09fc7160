import { explorerPlugin } from "@graphiql/plugin-explorer";
import { createGraphiQLFetcher, createLocalStorage, StorageAPI } from "@graphiql/toolkit";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { createRoot } from "react-dom/client";
import { Bar } from "./bar.jsx";
import { DemoSession } from "./demo.js";
import { Subscriptions, subscriptionIn } from "./subscriptions.js";
import { activeTab } from "./tabs.js";

const WORKERS = { json: "json.worker.js", graphql: "graphql.worker.js" };
globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(new URL(`./${WORKERS[label] ?? "editor.worker.js"}`, import.meta.url)),
};

const config = JSON.parse(document.getElementById("config").textContent);
// A name of its own, because every project on localhost with the same port shares one storage.
const store = createLocalStorage({ namespace: "skillsync" });
const storage = new StorageAPI(store);
const demo = config.demo && new DemoSession({ ...config.demo, endpoint: config.endpoint, storage });
const plugins = [HISTORY_PLUGIN, explorerPlugin()];
const send = createGraphiQLFetcher({ url: config.endpoint, enableIncrementalDelivery: false });
const subscriptions =
  config.subscriptions &&
  new Subscriptions(new URL(config.subscriptions, location.href.replace(/^http/, "ws")).href);

/** Sends one operation; a demo token that has run out since it was written into the headers is replaced. */
async function fetcher(operation, options = {}) {
  const headers = () => (demo ? demo.freshHeaders(options.headers) : options.headers);
  const subscription = subscriptionIn(options.documentAST, operation.operationName);
  if (subscriptions && subscription) return subscriptions.follow(operation, subscription, headers);
  return send(operation, { ...options, headers: await headers() });
}

// GraphiQL shows the variables of the first tab neither on a first visit nor after a reload unless told so.
const first = activeTab(storage) ?? config.tour[0];

createRoot(document.getElementById("graphiql")).render(
  <GraphiQL
    fetcher={fetcher}
    plugins={plugins}
    storage={store}
    defaultTabs={config.tour.length > 0 ? config.tour : undefined}
    initialQuery={first?.query ?? undefined}
    initialVariables={first?.variables ?? undefined}
    defaultEditorToolsVisibility="variables"
    inputValueDeprecation
    schemaDescription
  >
    <GraphiQL.Logo>{null}</GraphiQL.Logo>
    <Bar demo={demo} tour={config.tour} subscriptions={subscriptions} />
  </GraphiQL>,
);
demo?.start();
