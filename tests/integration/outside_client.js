// SPDX-License-Identifier: MIT
// A client of somebody else's making, json-rpc-2.0 from npm, on a connection of its own: what it is asked to do comes
// on standard input, an object a line, and what came of it goes to standard output, a line for each.
//     {"do": "request", "method": M, "params": P}   the result or the error
//     {"do": "notify", "method": M, "params": P}    true: sent
//     {"do": "all", "requests": [[M, P], ...]}      all at once, the results or errors in that order
//     {"do": "event"}                               the params of the next notification
const net = require("net");
const readline = require("readline");
const { JSONRPCClient, JSONRPCServer, JSONRPCServerAndClient } = require("json-rpc-2.0");

const socket = net.connect(process.argv[2]);
const events = [], wanted = [];
const both = new JSONRPCServerAndClient(
  new JSONRPCServer(),
  new JSONRPCClient((request) => {
    socket.write(JSON.stringify(request) + "\n");
    return Promise.resolve();
  })
);

both.addMethod("event", (params) => {
  if (wanted.length > 0) wanted.shift()(params);
  else events.push(params);
});
readline.createInterface({ input: socket }).on("line", (line) => both.receiveAndSend(JSON.parse(line)));

function request(method, params) {
  return both.request(method, params).then(
    (result) => ({ result }),
    (error) => ({ error: { code: error.code, message: error.message, data: error.data } })
  );
}

function act(order) {
  switch (order.do) {
    case "request":
      return request(order.method, order.params);
    case "notify":
      both.notify(order.method, order.params);
      return Promise.resolve(true);
    case "all":
      return Promise.all(order.requests.map(([method, params]) => request(method, params)));
    case "event":
      return events.length > 0 ? Promise.resolve(events.shift()) : new Promise((resolve) => wanted.push(resolve));
  }
  return Promise.reject(new Error("unknown order"));
}

const orders = readline.createInterface({ input: process.stdin });
orders.on("line", (line) => act(JSON.parse(line)).then((answer) => console.log(JSON.stringify(answer))));
orders.on("close", () => socket.end());
