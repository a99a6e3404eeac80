// Sends the same operations with each client: a query twice, a mutation, and the query twice more.
//
//     node clients.mjs http://127.0.0.1:8000/graphql [names of clients]
//
// Prints a line of JSON for each client: its name, each request as it was sent, and what the cache said of it.

import {ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql} from "@apollo/client";
import {PersistedQueryLink} from "@apollo/client/link/persisted-queries";
import {Client, fetchExchange} from "@urql/core";
import {persistedExchange} from "@urql/exchange-persisted";
import {createHash} from "node:crypto";
import relay from "relay-runtime";

const url = process.argv[2];
const who = {"X-Tenant": "acme", "X-User": "alice"};
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** Make a `fetch` that notes what is sent and what the cache said of it. */
function recorder() {
  const requests = [];
  async function recorded(input, options = {}) {
    const {method = "GET", body = null} = options;
    const headers = new Headers(options.headers);
    const response = await fetch(input, options);
    const answer = await response.clone().json().catch(() => ({}));
    requests.push({
      method,
      path: String(input).slice(url.length),
      headers: Object.fromEntries(["accept", "content-type"].flatMap((name) => headers.has(name) ? [[name, headers.get(name)]] : [])),
      body,
      status: answer.extensions?.responseCache?.status ?? null,
      reason: answer.extensions?.responseCache?.reason ?? null,
    });
    return response;
  }
  return {requests, recorded};
}

const query = (name) => `query ${name}($id: ID!) { account(id: $id) { id name balance } }`;
const mutation = (name) => `mutation ${name}Post($input: PostEntryInput!) { postEntry(input: $input) { id account { id balance } } }`;
const posting = (name) => ({accountId: id, amount: "12.50", postedOn: "2026-01-31", memo: name});

async function firstAccount() {
  const body = JSON.stringify({query: "{ accounts { id } }"});
  const response = await fetch(url, {method: "POST", headers: {...who, "content-type": "application/json"}, body});
  return (await response.json()).data.accounts[0].id;
}

/** Ask, ask, change, ask, ask. */
async function play(name, {requests, recorded}, ask, change) {
  for (const send of [ask, ask, change, ask, ask]) await send();
  console.log(JSON.stringify({client: name, requests}));
}

async function apollo(name, {persisted = false, ...options}) {
  const recording = recorder();
  const http = new HttpLink({uri: url, fetch: recording.recorded, headers: who, ...options});
  const link = persisted ? ApolloLink.from([new PersistedQueryLink({sha256}), http]) : http;
  const client = new ApolloClient({cache: new InMemoryCache(), link, clientAwareness: {name: "shop", version: "1.0"}});
  await play(
    name,
    recording,
    () => client.query({query: gql(query(name)), variables: {id}, fetchPolicy: "network-only"}),
    () => client.mutate({mutation: gql(mutation(name)), variables: {input: posting(name)}}),
  );
}

async function urql(name, {exchanges = [], preferGetMethod = false}) {
  const recording = recorder();
  const client = new Client({
    url, preferGetMethod, fetch: recording.recorded, fetchOptions: {headers: who}, exchanges: [...exchanges, fetchExchange],
  });
  await play(
    name,
    recording,
    () => client.query(query(name), {id}).toPromise(),
    () => client.mutation(mutation(name), {input: posting(name)}).toPromise(),
  );
}

/** Relay leaves the request to a function of the user; this one is its documentation's. */
async function runRelay(name) {
  const recording = recorder();
  const network = relay.Network.create(async ({text, id: documentId}, variables) => {
    const response = await recording.recorded(url, {
      method: "POST",
      headers: {...who, "content-type": "application/json"},
      body: JSON.stringify({query: text, doc_id: documentId ?? undefined, variables}),
    });
    return response.json();
  });
  const environment = new relay.Environment({network, store: new relay.Store(new relay.RecordSource())});
  const compiled = (operationKind, text, definition, field, argument) => {
    const scalar = (scalarName) => ({alias: null, args: null, kind: "ScalarField", name: scalarName, storageKey: null});
    const selections = [{
      alias: null, args: [{kind: "Variable", name: argument, variableName: argument}], concreteType: "Any",
      kind: "LinkedField", name: field, plural: false, selections: [scalar("id")], storageKey: null,
    }];
    const argumentDefinitions = [{defaultValue: null, kind: "LocalArgument", name: argument}];
    return {
      kind: "Request",
      fragment: {argumentDefinitions, kind: "Fragment", metadata: null, name: definition, selections, type: "Root"},
      operation: {argumentDefinitions, kind: "Operation", name: definition, selections},
      params: {cacheID: definition, id: null, metadata: {}, name: definition, operationKind, text},
    };
  };
  const asked = compiled("query", query(name), name, "account", "id");
  const changed = compiled("mutation", mutation(name), `${name}Post`, "postEntry", "input");
  await play(
    name,
    recording,
    () => relay.fetchQuery(environment, asked, {id}).toPromise(),
    () => new Promise((onCompleted, onError) => relay.commitMutation(
      environment, {mutation: changed, variables: {input: posting(name)}, onCompleted, onError},
    )),
  );
}

const clients = {
  ApolloPost: (name) => apollo(name, {}),
  ApolloGet: (name) => apollo(name, {useGETForQueries: true}),
  ApolloPersisted: (name) => apollo(name, {persisted: true}),
  UrqlPost: (name) => urql(name, {}),
  UrqlGet: (name) => urql(name, {preferGetMethod: "force"}),
  UrqlPersisted: (name) => urql(name, {exchanges: [persistedExchange({preferGetForPersistedQueries: false})]}),
  Relay: (name) => runRelay(name),
};
const id = await firstAccount();
for (const name of process.argv.length > 3 ? process.argv.slice(3) : Object.keys(clients)) await clients[name](name);
