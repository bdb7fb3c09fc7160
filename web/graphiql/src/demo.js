const SIGN_IN = `mutation DemoSignIn($input: SessionCreateInput!) {
  sessionCreate(input: $input) { tokens { accessToken } errors { message } }
}`;
const RENEW_AT = 0.8; // of a token's life
const RETRY_MS = 30_000;

/** Signs in as one of the demo accounts, keeps the token fresh, and writes it into header texts. */
export class DemoSession {
  #accounts;
  #endpoint;
  #lifeMs;
  #storage;
  #issued = new Set(); // every token of this page, to tell ours from one the user has pasted
  #listeners = new Set();
  #timer;
  #pending = Promise.resolve();
  #renewAt = Infinity;
  /** What the page shows; replaced, never changed. `choice` counts the user's choices of account. */
  state;

  constructor({ accounts, tokenSeconds, endpoint, storage }) {
    this.#accounts = accounts;
    this.#endpoint = endpoint;
    this.#lifeMs = tokenSeconds * 1000;
    this.#storage = storage;
    const stored = storage.get("demoAccount");
    const known = stored === "anonymous" || accounts.some(({ email }) => email === stored);
    this.state = { email: known ? stored : accounts[0].email, token: null, busy: false, failure: null, choice: 0 };
  }

  get accounts() {
    return this.#accounts;
  }

  subscribe = (listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  snapshot = () => this.state;

  start() {
    this.choose(this.state.email);
  }

  choose(email) {
    this.#storage.set("demoAccount", email);
    this.#show({ email, token: null, failure: null, choice: this.state.choice + 1 });
    this.#renew();
  }

  /** The header text with the token of the chosen account: always in place of an older one of ours; added only if `sign`. */
  signed(text, { sign }) {
    const { token } = this.state;
    const ours = [...this.#issued].find((issued) => text.includes(issued));
    if (ours && token) return text.replaceAll(ours, token);
    return sign ? withAuthorization(text, token) : text;
  }

  /** Headers as they should travel now: a token of ours is exchanged for the latest, or dropped for an anonymous caller. */
  async freshHeaders(headers = {}) {
    const name = authorizationName(headers);
    const [, token] = /^Bearer (.+)$/.exec(headers[name] ?? "") ?? [];
    if (!this.#issued.has(token)) return headers;
    if (Date.now() > this.#renewAt) this.#renew();
    await this.#pending;
    const { [name]: _old, ...others } = headers;
    return this.state.token ? { ...others, [name]: `Bearer ${this.state.token}` } : others;
  }

  #renew() {
    clearTimeout(this.#timer);
    this.#renewAt = Infinity;
    this.#pending = this.#signIn();
  }

  async #signIn() {
    const { email, choice } = this.state;
    if (email === "anonymous") {
      this.#show({ busy: false });
      return;
    }
    this.#show({ busy: true });
    const outcome = await signIn(this.#endpoint, this.#accounts.find((account) => account.email === email));
    if (choice !== this.state.choice) return; // another account was chosen meanwhile
    if (outcome.token) this.#issued.add(outcome.token);
    this.#show({ busy: false, failure: outcome.failure ?? null, token: outcome.token ?? this.state.token });
    const wait = outcome.token ? this.#lifeMs * RENEW_AT : RETRY_MS;
    this.#renewAt = Date.now() + wait; // a sleeping machine runs no timers: freshHeaders looks at the clock too
    this.#timer = setTimeout(() => this.#renew(), wait);
  }

  #show(change) {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

/** One sign-in: `{ token }`, or `{ failure }` with a sentence for the person. */
async function signIn(endpoint, { email, password }) {
  try {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ query: SIGN_IN, variables: { input: { email, password } } }),
    });
    const { data, errors } = await response.json();
    const payload = data?.sessionCreate;
    if (payload?.tokens) return { token: payload.tokens.accessToken };
    const refusals = [...(errors ?? []), ...(payload?.errors ?? [])].map(({ message }) => message);
    return { failure: refusals.join(" ") || "the server gave no token" };
  } catch (error) {
    return { failure: error.message };
  }
}

function authorizationName(headers) {
  return Object.keys(headers).find((name) => name.toLowerCase() === "authorization") ?? "Authorization";
}

/** Text that is not an object in JSON is somebody's unfinished edit, and stays as it is. */
function withAuthorization(text, token) {
  const headers = parseHeaders(text);
  if (!headers) return text;
  const name = authorizationName(headers);
  if (token) headers[name] = `Bearer ${token}`;
  else delete headers[name];
  return Object.keys(headers).length > 0 ? JSON.stringify(headers, null, 2) : "";
}

function parseHeaders(text) {
  if (!text.trim()) return {};
  try {
    const headers = JSON.parse(text);
    return headers && typeof headers === "object" && !Array.isArray(headers) ? headers : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
