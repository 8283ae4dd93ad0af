/** Questions to the API. */

export class ApiProblem extends Error {
  /** @param {number} status 0: no answer @param {string} detail @param {{field: string, message: string}[]} errors */
  constructor(status, detail, errors = []) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

/**
 * The answer's JSON. Who is not signed in, or no longer, is sent to sign in and comes back to where they were.
 *
 * @param {string} path
 * @param {{method?: string, body?: any, signal?: AbortSignal}} [more]
 * @returns {Promise<any>} rejects with ApiProblem, or AbortError
 */
export async function ask(path, { method = 'GET', body, signal } = {}) {
  const answer = await sent(path, {
    method,
    signal,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (answer.status === 401) return signIn();
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw problemOf(answer, told);
  return told;
}

/** @param {Response} answer @param {any} told */
function problemOf(answer, told) {
  return new ApiProblem(answer.status, told.detail || `the API answers ${answer.status}`, told.errors);
}

/**
 * An answer as a file among the person's downloads. A link could not say which format it wants.
 *
 * @param {string} path @param {string} format a media type @param {string} name the file's @param {AbortSignal} signal
 */
export async function download(path, format, name, signal) {
  const answer = await sent(path, { signal, headers: { accept: format } });
  if (answer.status === 401) return signIn();
  if (!answer.ok) throw problemOf(answer, await answer.json().catch(() => ({})));
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser reads it after this
}

/** @param {string} path @param {RequestInit} request */
async function sent(path, request) {
  try {
    return await fetch(path, request);
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw error;
    throw new ApiProblem(0, 'The server does not answer. Is it running?');
  }
}

/** @returns {Promise<never>} */
function signIn() {
  const here = location.pathname + location.search;
  location.assign(`/signin?next=${encodeURIComponent(here)}`);
  return new Promise(() => {}); // the page is going
}

/** A path with the parameters that have a value. @param {string} path @param {Record<string, any>} parameters */
export function withQuery(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  return given.length ? `${path}${path.includes('?') ? '&' : '?'}${new URLSearchParams(given)}` : path;
}
