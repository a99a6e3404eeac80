// Runs the audits of GraphQL over HTTP against a service, one after the other.
//
//     node audits.mjs http://127.0.0.1:8000/graphql
//
// Prints a line of JSON for each audit: its id, its status, and why it was not met.
//
// The audits ask for `__typename`, which no cache stores. They ask for a field here, under that name.

import {serverAudits} from "graphql-http";

const named = (text) => text.replaceAll("{ __typename }", "{ __typename: number }");

async function fetchFn(input, options = {}) {
  const url = new URL(input);
  const query = url.searchParams.get("query");
  if (query !== null) url.searchParams.set("query", named(query));
  const body = typeof options.body === "string" ? named(options.body) : options.body;
  return fetch(url, {...options, body});
}

for (const audit of serverAudits({url: process.argv[2], fetchFn})) {
  const {status, reason = null} = await audit.fn();
  console.log(JSON.stringify({id: audit.id, status, reason}));
}
