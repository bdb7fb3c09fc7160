/** The tab that was open when the page was left, as GraphiQL stored it; null on a first visit. */
export function activeTab(storage) {
  const stored = storage.get("tabState");
  if (!stored) return null;
  const { tabs, activeTabIndex } = JSON.parse(stored);
  return tabs?.[activeTabIndex] ?? null;
}

/**
 * Store all tabs now. GraphiQL does so half a second after an edit, and a page left earlier would lose it.
 * Headers and responses are left out, as GraphiQL does: tokens do not belong in storage.
 */
export function storeTabs({ storage, tabs, activeTabIndex, queryEditor, variableEditor }) {
  const current = { query: queryEditor?.getValue(), variables: variableEditor?.getValue() };
  const kept = tabs.map((tab, index) => ({
    ...tab,
    ...(index === activeTabIndex ? current : {}),
    hash: null,
    headers: null,
    response: null,
  }));
  storage.set("tabState", JSON.stringify({ tabs: kept, activeTabIndex }));
}
