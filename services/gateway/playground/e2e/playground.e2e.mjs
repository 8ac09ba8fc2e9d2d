// The playground in a real browser against a real server: an admin publishes T12 in the page, a passenger finds it and
// buys it, gives it back, and buys and changes another. A third window that watches the run sees the seat go.
//
//   BASE_URL          where the server listens, such as http://127.0.0.1:8080
//   ADMIN_TOKEN       a token with the role ADMIN
//   PASSENGER_TOKEN   a token with the role PASSENGER
//   SCREENSHOT        optional: where to put a PNG of the passenger's page (of the page that failed, if one did)
//   CHROMIUM          optional: the browser; else chromium, chromium-browser or google-chrome on PATH
//
// Exit 0: everything worked. 1: something did not, and the last line says what. 2: it could not be tried.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { chromium } from "playwright-core";

// A page takes 4 s to open on an idle machine with two cores, 20 s on one whose cores have ten others waiting each.
const stepTimeoutMilliseconds = 60_000;

const baseUrl = needed("BASE_URL").replace(/\/+$/, "");
const adminToken = needed("ADMIN_TOKEN");
const passengerToken = needed("PASSENGER_TOKEN");
const screenshot = process.env.SCREENSHOT;

let browser;
let context; // one for all windows, so that the bundle is loaded once; what a window keeps in sessionStorage is its own
try {
  browser = await chromium.launch({
    executablePath: findChromium(),
    // No sandbox: tests run as root in containers, where Chromium's has no user namespace to live in. The rest keeps the
    // browser from calling home, which fails loudly on a machine without internet.
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" });
  context.setDefaultTimeout(stepTimeoutMilliseconds);
} catch (error) {
  giveUp(`the browser did not start: ${error.message}`);
}

const troubles = []; // what no page may do: log errors, break its policy, call another origin
let current; // the window in use, for the picture of a failure
try {
  await run();
  console.log("ok: T12 published, found, bought and seen to go in the playground");
} catch (error) {
  if (screenshot && current) await current.page.screenshot({ path: screenshot }).catch(() => {});
  const [what, ...details] = stripVTControlCharacters(error.message).trim().split("\n");
  const report = [...details, ...troubles, `FAIL: ${what}`].join("\n");
  // Logs are read by more people than may have these tokens.
  console.error(report.replaceAll(adminToken, "ADMIN_TOKEN").replaceAll(passengerToken, "PASSENGER_TOKEN"));
  process.exitCode = 1;
} finally {
  await browser.close();
}

async function run() {
  const admin = await open("admin", adminToken);
  await tokenIsKept(admin);
  const published = await admin.run("Publish", "Publish");
  for (const name of ["beijing", "shanghai", "publishTrain"]) noRefusals(published, name);
  const publishedRun = published.data.publishTrain.runs?.[0];
  check(publishedRun, "publishTrain answered no run");
  const coach = publishedRun.coaches.find((each) => each.number === "3");
  check(coach, "T12 has no coach 3");
  check(coach.seats.some((seat) => seat.label === "23B"), "coach 3 has no seat 23B");
  const again = await admin.run("Publish", "Publish");
  noRefusals(again, "publishTrain");
  check(again.data.publishTrain.created === 0, "publishing the same again created runs");

  // Anyone may watch; with a token, so that the handshake of the WebSocket is seen to carry it.
  const watcher = await open("watcher", passengerToken);
  const handshakes = watcher.handshakes();
  await eventually("T12 is not shown by run(train:)", async () => {
    const result = await watcher.run("Search", "SearchT12");
    return result.data?.run?.id === publishedRun.id;
  });
  await watcher.start("Watch", "Watch");
  const snapshot = await watcher.result("no snapshot came", (result) => seats(result) !== null);
  check(
    handshakes.some((params) => params?.authorization === `Bearer ${passengerToken}`),
    "the WebSocket's connection_init did not carry the token",
  );

  const passenger = await open("passenger", passengerToken);
  await passenger.edit("Search", (variables) => ({ ...variables, from: ["BJP"], to: ["SHH"] }));
  const found = await passenger.run("Search", "Search");
  const offer = found.data?.searchTickets?.nodes.find((each) => each.run.id === publishedRun.id);
  check(offer, `searching BJP to SHH did not find T12: ${brief(found)}`);
  check(
    offer.classes.some((each) => each.remaining > 0),
    `T12 has no seats left: ${brief(offer)}`,
  );

  // Other trains may go that way too; the last one shown is the one handed on to Buy.
  await passenger.run("Search", "SearchT12");
  const document = `E2E${Date.now()}`;
  // One document number has one ticket on a run, so every try of this test is somebody else.
  await passenger.edit("Buy", (variables) => {
    variables.order.passengers[0].documentNumber = document;
    return variables;
  });
  // People write the header by hand, too. It must be as good as the bar's, and as little kept.
  await passenger.write("request-headers.json", JSON.stringify({ Authorization: `Bearer ${passengerToken}` }));
  const bought = await passenger.run("Buy", "Buy");
  noRefusals(bought, "placeOrder");
  const order = bought.data.placeOrder.order;
  check(order.state === "ON_HOLD", `the order is ${order.state}, not ON_HOLD`);
  check(order.tickets.length === 1 && order.tickets[0].seat, `the order has no seat: ${brief(order)}`);
  const replayed = await passenger.run("Buy", "Buy");
  noRefusals(replayed, "placeOrder");
  check(replayed.data.placeOrder.order.id === order.id, "the same key gave another order");

  const paid = await passenger.run("Buy", "BuyPay");
  noRefusals(paid, "payOrder");
  check(paid.data.payOrder.order.state === "PAID", `the order is ${paid.data.payOrder.order.state}, not PAID`);
  if (screenshot) await passenger.page.screenshot({ path: screenshot });

  await nothingPersonalIsKept(passenger, document);

  const moved = await watcher.result("the watcher did not see the seat go", (result) => {
    return seats(result) === seats(snapshot) - 1;
  });
  check(version(moved) > version(snapshot), "the version of the event did not go up");

  const quoted = await passenger.run("Refund", "Refund");
  noRefusals(quoted, "refundQuote");
  const refunded = await passenger.run("Refund", "RefundTickets");
  noRefusals(refunded, "refundTickets");
  const { order: returned, refund } = refunded.data.refundTickets;
  check(returned.number === order.number && returned.state === "RETURNED", `the order was not given back: ${brief(returned)}`);
  check(
    refund.amount.amount === quoted.data.refundQuote.quote.amount.amount,
    `not what was quoted goes back: ${brief(refund)}`,
  );
  if (screenshot) await passenger.page.screenshot({ path: screenshot.replace(/(\.[a-z]+)?$/, "-refund$1") });
  await watcher.result("the watcher did not see the seat come back", (result) => seats(result) === seats(snapshot));

  await ticketIsChanged(passenger);

  check(troubles.length === 0, "the pages did what no page may do; see above");
}

// A second order's ticket goes to a dearer class. The new order is paid, and only then has the old ticket ended.
async function ticketIsChanged(passenger) {
  const own = Date.now();
  await passenger.edit("Buy", (variables) => {
    variables.order.idempotencyKey = `e2e-change-${own}`;
    variables.order.passengers[0].documentNumber = `E2EC${own}`;
    variables.order.passengers[0].seatClass = "HARD_SEAT";
    return variables;
  });
  noRefusals(await passenger.run("Buy", "Buy"), "placeOrder");
  noRefusals(await passenger.run("Buy", "BuyPay"), "payOrder");

  await passenger.edit("Refund", (variables) => {
    for (const change of [variables.change, variables.changeTicket.change]) change.seatClass = "HARD_SLEEPER";
    return variables;
  });
  // From here on the tab of refunds has the name of its operation Change.
  const quoted = await passenger.run("Refund", "Change");
  noRefusals(quoted, "changeQuote");
  const changed = await passenger.run("Change", "ChangeTicket");
  noRefusals(changed, "changeTicket");
  const { oldOrder, order } = changed.data.changeTicket;
  check(oldOrder.tickets[0].state === "CHANGING", `the old ticket is not CHANGING: ${brief(oldOrder)}`);
  check(order.state === "ON_HOLD", `the dearer order is ${order.state}, not ON_HOLD`);
  const toPay = Number(quoted.data.changeQuote.quote.toPay.amount);
  const difference = Number(order.total.amount) - Number(order.carried.amount);
  check(toPay > 0 && toPay.toFixed(2) === difference.toFixed(2), `not what was quoted is to pay: ${brief(order)}`);

  const paid = await passenger.run("Buy", "BuyPay");
  noRefusals(paid, "payOrder");
  check(paid.data.payOrder.order.id === order.id, `another order was paid: ${brief(paid)}`);
  await eventually("the old ticket is not CHANGED", async () => {
    const repeated = await passenger.run("Change", "ChangeTicket");
    noRefusals(repeated, "changeTicket");
    check(repeated.data.changeTicket.order.id === order.id, `the same key gave another change: ${brief(repeated)}`);
    return repeated.data.changeTicket.oldOrder.tickets[0].state === "CHANGED";
  });
  if (screenshot) await passenger.page.screenshot({ path: screenshot.replace(/(\.[a-z]+)?$/, "-change$1") });
}

// The link's token is in use, out of the address bar, and still there after a reload.
async function tokenIsKept({ page }) {
  check((await page.title()) === "Interlock GraphiQL", `the page's title is ${await page.title()}`);
  for (const moment of ["", " after a reload"]) {
    check(!page.url().includes("token"), `the token is in the address bar${moment}`);
    check((await page.getByLabel("Bearer token").inputValue()) === adminToken, `the token is not in the bar${moment}`);
    check(await page.locator("header").getByText("ADMIN").isVisible(), `the bar does not show the role${moment}`);
    if (!moment) await page.reload();
  }
  await page.locator(".graphiql-query-editor .view-lines").waitFor();
}

// What the browser keeps when the window is closed has the operations in it, and neither who travels nor any header.
async function nothingPersonalIsKept({ page }, document) {
  let kept = "";
  await eventually("the history does not have the operation Buy", async () => {
    kept = await page.evaluate(() => JSON.stringify({ ...localStorage }));
    return kept.includes("graphiql:queries") && kept.includes("BuyPay");
  });
  for (const [what, secret] of [["document number", document], ["passenger's name", "A Passenger"], ["token", passengerToken], ["header", "Bearer"]]) {
    check(!kept.includes(secret), `the ${what} is kept in localStorage`);
  }
  const tabs = await page.evaluate(() => sessionStorage.getItem("graphiql:tabState") ?? "");
  check(tabs !== "" && !tabs.includes("Bearer"), "a header is kept with the tabs");
}

// open gives a window of its own with its own token, as if another person had opened the link.
async function open(name, token) {
  const page = await context.newPage();
  const handshakes = [];
  current = { page };

  page.on("pageerror", (error) => troubles.push(`${name}: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") troubles.push(`${name}: the console says: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${baseUrl}/`) && !url.startsWith("data:")) troubles.push(`${name}: foreign request: ${url}`);
  });
  page.on("websocket", (socket) => {
    socket.on("framesent", ({ payload }) => {
      const message = JSON.parse(payload);
      if (message.type === "connection_init") handshakes.push(message.payload);
    });
  });

  await page.goto(`${baseUrl}/playground#token=${encodeURIComponent(token)}`);
  await page.locator(".graphiql-query-editor .view-lines").waitFor();

  // What the editors hold is read from Monaco's models: the page draws only the lines that are in view.
  const read = (file) =>
    page.evaluate((suffix) => {
      const model = globalThis.__MONACO.editor.getModels().find((each) => each.uri.path.endsWith(suffix));
      return model.getValue();
    }, file);

  // Every tab has the name of its first operation, until another one of it was run: Buy, then BuyPay.
  const select = async (tab) => {
    current = { page };
    const button = page.locator(".graphiql-tab-button").filter({ hasText: new RegExp(`^${tab}`) });
    // Opening the open tab again would throw away an edit that GraphiQL has not taken over yet.
    if (!(await page.locator(".graphiql-tab-active").filter({ has: button }).count())) await button.click();
    await eventually(`the tab ${tab} was not opened`, async () => (await read("operation.graphql")).includes(` ${tab}(`));
    await eventually(`the ids of the tab ${tab} were not filled in`, async () => {
      return !(await read("variables.json")).includes("run Search first");
    });
  };

  const result = async (complaint, isWanted = () => true) => {
    let last = "";
    await eventually(
      () => `${complaint}; the page shows: ${last.slice(0, 2000)}`,
      async () => {
        last = await read("response.json");
        return last !== "" && isWanted(JSON.parse(last));
      },
    );
    return JSON.parse(last);
  };

  const start = async (tab, operation) => {
    await select(tab);
    const several = ["Search", "Buy", "Refund", "Change"].includes(tab); // tabs of several operations ask which
    // What a tab's operations are GraphiQL knows a moment after it has opened it: until then the button is the last tab's, and
    // runs or offers what that one had.
    await page.locator(`button.graphiql-execute-button${several ? "[aria-haspopup]" : ":not([aria-haspopup])"}`).click();
    if (several) await page.getByRole("menuitem", { name: operation, exact: true }).click();
  };

  return {
    page,
    handshakes: () => handshakes,
    start,
    result,
    async run(tab, operation) {
      const [response] = await Promise.all([
        page.waitForResponse((each) => {
          const request = each.request();
          return request.url() === `${baseUrl}/graphql` && request.postDataJSON()?.operationName === operation;
        }),
        start(tab, operation),
      ]);
      const answer = await response.json();
      // What came over the wire is also what the page shows.
      return result(`${operation}: the page does not show the answer`, (shown) => {
        return JSON.stringify(shown) === JSON.stringify(answer);
      });
    },
    async write(file, text) {
      await page.evaluate(
        ([suffix, value]) => {
          const model = globalThis.__MONACO.editor.getModels().find((each) => each.uri.path.endsWith(suffix));
          model.setValue(value);
        },
        [file, text],
      );
    },
    async edit(tab, change) {
      await select(tab);
      const before = JSON.parse(await read("variables.json"));
      await page.evaluate((text) => {
        const model = globalThis.__MONACO.editor.getModels().find((each) => each.uri.path.endsWith("variables.json"));
        model.setValue(text);
      }, JSON.stringify(change(before), null, 2));
    },
  };
}

function seats(result) {
  const classes = result.data?.seatAvailability?.classes;
  return classes ? classes.reduce((sum, each) => sum + (each.remaining ?? 0), 0) : null;
}

function version(result) {
  return result.data.seatAvailability.version;
}

function noRefusals(result, field) {
  check(!result.errors, `${field}: ${brief(result.errors)}`);
  const refusals = result.data[field]?.userErrors;
  check(refusals, `${field} answered nothing: ${brief(result)}`);
  check(refusals.length === 0, `${field} was refused: ${brief(refusals)}`);
}

function check(holds, complaint) {
  if (!holds) throw new Error(complaint);
}

function brief(value) {
  return JSON.stringify(value)?.slice(0, 2000);
}

async function eventually(complaint, isSo) {
  const deadline = Date.now() + stepTimeoutMilliseconds;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(typeof complaint === "function" ? complaint() : complaint);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function needed(name) {
  const value = process.env[name];
  if (!value) giveUp(`${name} is not set`);
  return value;
}

function findChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // not in this folder
      }
    }
  }
  return giveUp("no Chromium on PATH; set CHROMIUM");
}

function giveUp(complaint) {
  console.error(`could not try: ${complaint}`);
  process.exit(2);
}
