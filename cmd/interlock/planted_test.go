package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/audit"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// planted is something that a row says wrongly, and what verify has to find. In its texts, {A} is a run and {ann} the
// order of a buyer: see history.
type planted struct {
	name  string
	check string
	// where is what the finding has to name: a run ("{A}"), an order ("{ann}"), or a row of another table.
	where string
	// sql are the statements that plant it, with semicolons between them.
	sql string
}

func (p *planted) statements() []string { return strings.Split(p.sql, ";") }

// plantedInLedger is what each column of each table can say wrongly, without the columns in believed.
var plantedInLedger = []planted{
	// runs.
	{
		"a run of another date", audit.CheckRun, "T12@2030-01-01",
		`UPDATE runs SET id = 'T12@2030-01-01' WHERE id = {A}`,
	},
	{
		"orders without their run", audit.CheckOrphan, "{ann}",
		`UPDATE runs SET id = 'T12@2030-01-01' WHERE id = {A}`,
	},
	{
		"maps without their run", audit.CheckOrphan, "seat_maps",
		`UPDATE runs SET id = 'T12@2030-01-01' WHERE id = {A}`,
	},
	{
		"an id that is none", audit.CheckRun, "\u00e9",
		`UPDATE runs SET id = 'é' WHERE id = {A}`,
	},
	{
		"train_number", audit.CheckRun, "{A}",
		`UPDATE runs SET train_number = 'T13' WHERE id = {A}`,
	},
	{
		"a train that is not there", audit.CheckRun, "{A}",
		`UPDATE runs SET train_id = 'x' WHERE id = {A}`,
	},
	{
		"another train", audit.CheckRun, "{A}",
		`UPDATE runs SET train_id = (SELECT * FROM (SELECT train_id FROM runs WHERE id = {B}) b) WHERE id = {A}`,
	},
	{
		"another train than live orders have", audit.CheckTicket, "{ann}",
		`UPDATE runs SET train_id = (SELECT * FROM (SELECT train_id FROM runs WHERE id = {B}) b) WHERE id = {A}`,
	},
	{
		"a date that is none", audit.CheckRun, "{A}",
		`UPDATE runs SET service_date = 'yesterday' WHERE id = {A}`,
	},
	{
		"another date", audit.CheckRun, "{A}",
		`UPDATE runs SET service_date = '2030-01-01' WHERE id = {A}`,
	},
	{
		"sold before it was opened", audit.CheckState, "{ann}",
		`UPDATE runs SET sale_opens_at = {now} + 60000 WHERE id = {A}`,
	},
	{
		"sold after it was closed", audit.CheckState, "{ann}",
		`UPDATE runs SET closes_before_seconds = 86400 * 30 WHERE id = {A}`,
	},
	{
		"closed after the departure", audit.CheckRun, "{A}",
		`UPDATE runs SET closes_before_seconds = -1 WHERE id = {A}`,
	},
	{
		"a status that is none", audit.CheckRun, "{A}",
		`UPDATE runs SET status = 'OPEN' WHERE id = {A}`,
	},
	{
		"suspended for nothing", audit.CheckRun, "{A}",
		`UPDATE runs SET status = 'SUSPENDED' WHERE id = {A}`,
	},
	{
		"withdrawn without a record", audit.CheckRun, "{A}",
		`UPDATE runs SET status = 'WITHDRAWN', reason = 'snow' WHERE id = {A}`,
	},
	{
		"withdrawn with live orders", audit.CheckState, "{ann}",
		`UPDATE runs SET status = 'WITHDRAWN', reason = 'snow' WHERE id = {A}`,
	},
	{
		"resumed without a record", audit.CheckRun, "{C}",
		`UPDATE runs SET status = 'PUBLISHED', reason = '' WHERE id = {C}`,
	},
	{
		"open with a reason", audit.CheckRun, "{A}",
		`UPDATE runs SET reason = 'snow' WHERE id = {A}`,
	},
	{
		"another reason", audit.CheckRun, "{C}",
		`UPDATE runs SET reason = 'leaves' WHERE id = {C}`,
	},
	{
		"dropped for another reason", audit.CheckRun, "{G}",
		`UPDATE runs SET reason = 'leaves' WHERE id = {G}`,
	},
	{
		"dropped, and on sale", audit.CheckRun, "{G}",
		`UPDATE runs SET status = 'PUBLISHED', reason = '' WHERE id = {G}`,
	},
	{
		"dropped by no feed", audit.CheckRun, "{G}",
		`UPDATE runs SET feed = '', feed_selection = '' WHERE id = {G}`,
	},
	{
		"a selection of no feed", audit.CheckRun, "{F}",
		`UPDATE runs SET feed = '' WHERE id = {F}`,
	},
	{
		"a selection of a run that was published by hand", audit.CheckRun, "{A}",
		`UPDATE runs SET feed_selection = 'trains' WHERE id = {A}`,
	},
	{
		"behind its orders", audit.CheckVersion, "{ann}",
		`UPDATE runs SET version = 2 WHERE id = {A}`,
	},
	{
		"behind its changes", audit.CheckVersion, "{A}",
		`UPDATE runs SET version = 2 WHERE id = {A}`,
	},
	{
		"behind the first version", audit.CheckVersion, "{E}",
		`UPDATE runs SET version = 0 WHERE id = {E}`,
	},
	{
		"touched tomorrow", audit.CheckRun, "{A}",
		`UPDATE runs SET touched_at = {now} + 86400000 WHERE id = {A}`,
	},
	{
		"a publication that is not there", audit.CheckPublication, "{A}",
		`UPDATE runs SET publication = 999 WHERE id = {A}`,
	},
	{
		"an earlier publication", audit.CheckPublication, "{E}",
		`UPDATE runs SET publication = 1 WHERE id = {E}`,
	},
	{
		"an earlier publication of trains", audit.CheckPublication, "publication {changed}",
		`UPDATE runs SET publication = publication - 1 WHERE id = {D}`,
	},
	{
		"changes_bytes", audit.CheckMap, "{A}",
		`UPDATE runs SET changes_bytes = changes_bytes + 1 WHERE id = {A}`,
	},
	{
		"changes_bytes without maps", audit.CheckMap, "{E}",
		`UPDATE runs SET changes_bytes = 0 WHERE id = {E}`,
	},

	// seat_maps, seat_changes.
	{
		"a map with a seat free", audit.CheckMap, "{A}",
		`UPDATE seat_maps SET sold = (SELECT * FROM (SELECT sold FROM seat_maps
			WHERE run_id = {D} AND seat_class = 'HARD_SEAT') d) WHERE run_id = {A} AND seat_class = 'HARD_SLEEPER'`,
	},
	{
		"a map that cannot be read", audit.CheckMap, "{A}",
		`UPDATE seat_maps SET sold = 'x' WHERE run_id = {A}`,
	},
	{
		"a map of a class there is not", audit.CheckMap, "{A}",
		`UPDATE seat_maps SET seat_class = 'FIRST' WHERE run_id = {A} AND seat_class = 'HARD_SEAT'`,
	},
	{
		"a map too many", audit.CheckMap, "{A}",
		`INSERT INTO seat_maps (run_id, seat_class, sold) VALUES ({A}, 'FIRST', 'x')`,
	},
	{
		"a map that is missing", audit.CheckMap, "{A}",
		`DELETE FROM seat_maps WHERE run_id = {A} AND seat_class = 'HARD_SEAT'`,
	},
	{
		"a map of no run", audit.CheckOrphan, "seat_maps",
		`UPDATE seat_maps SET run_id = 'T99@2030-01-01' WHERE run_id = {A}`,
	},
	{
		"changes that are lost", audit.CheckMap, "{A}",
		`UPDATE seat_changes SET changes = '' WHERE run_id = {A}`,
	},
	{
		"changes that cannot be read", audit.CheckMap, "{A}",
		`UPDATE seat_changes SET changes = 'x' WHERE run_id = {A}`,
	},
	{
		"changes that are missing", audit.CheckMap, "{A}",
		`DELETE FROM seat_changes WHERE run_id = {A}`,
	},
	{
		"changes to come", audit.CheckVersion, "{A}",
		`UPDATE seat_changes SET version = version + 1000 WHERE run_id = {A}`,
	},
	{
		"changes of no version", audit.CheckVersion, "{A}",
		`UPDATE seat_changes SET version = version - 10000000 WHERE run_id = {A}`,
	},
	{
		"changes of no run", audit.CheckOrphan, "seat_changes",
		`UPDATE seat_changes SET run_id = 'T99@2030-01-01' WHERE run_id = {A}`,
	},

	// orders.
	{
		"an order of another run", audit.CheckOrder, "{ann}",
		`UPDATE orders SET run_id = {D} WHERE id = {ann}`,
	},
	{
		"an order with another id", audit.CheckVersion, "{a}/0000000002x",
		`UPDATE orders SET id = '{a}/0000000002x' WHERE id = {ann}`,
	},
	{
		"tickets without their order", audit.CheckOrphan, "{ann}",
		`UPDATE orders SET id = '{a}/0000000002x' WHERE id = {ann}`,
	},
	{
		"an order that is missing", audit.CheckOrphan, "{ann}",
		`DELETE FROM orders WHERE id = {ann}`,
	},
	{
		"an order without a number", audit.CheckOrder, "{ann}",
		`UPDATE orders SET number = '' WHERE id = {ann}`,
	},
	{
		"an order without a buyer", audit.CheckOrder, "{ann}",
		`UPDATE orders SET buyer = '' WHERE id = {ann}`,
	},
	{
		"a key that is none", audit.CheckOrder, "{ann}",
		`UPDATE orders SET idempotency_key = 'a key' WHERE id = {ann}`,
	},
	{
		"an order behind its end", audit.CheckVersion, "{cid}",
		`UPDATE orders SET version = 1 WHERE id = {cid}`,
	},
	{
		"an order behind its payment and end", audit.CheckVersion, "{hal}",
		`UPDATE orders SET version = 2 WHERE id = {hal}`,
	},
	{
		"an order ahead of what became of it", audit.CheckVersion, "{ann}",
		`UPDATE orders SET version = version + 1 WHERE id = {ann}`,
	},
	{
		"a state that is none", audit.CheckState, "{ann}",
		`UPDATE orders SET state = 'LOST' WHERE id = {ann}`,
	},
	{
		"paid without a payment", audit.CheckState, "{ann}",
		`UPDATE orders SET state = 'PAID' WHERE id = {ann}`,
	},
	{
		"cancelled without an end", audit.CheckState, "{ann}",
		`UPDATE orders SET state = 'CANCELLED' WHERE id = {ann}`,
	},
	{
		"expired without an end", audit.CheckState, "{ann}",
		`UPDATE orders SET state = 'EXPIRED' WHERE id = {ann}`,
	},
	{
		"on hold with a payment", audit.CheckState, "{bob}",
		`UPDATE orders SET state = 'ON_HOLD' WHERE id = {bob}`,
	},
	{
		"expired with a payment", audit.CheckState, "{hal}",
		`UPDATE orders SET state = 'EXPIRED' WHERE id = {hal}`,
	},
	{
		"live with an end", audit.CheckState, "{cid}",
		`UPDATE orders SET state = 'ON_HOLD' WHERE id = {cid}`,
	},
	{
		"live on a seat it gave back", audit.CheckMap, "{A}",
		`UPDATE orders SET state = 'ON_HOLD' WHERE id = {cid}`,
	},
	{
		"ended with its seats in the map", audit.CheckMap, "{A}",
		`UPDATE orders SET state = 'EXPIRED', ended_at = pay_by, ended_run_version = placed_run_version + 1
			WHERE id = {ann}`,
	},
	{
		"cancelled that expired", audit.CheckState, "{dan}",
		`UPDATE orders SET state = 'CANCELLED' WHERE id = {dan}`,
	},
	{
		"expired that was cancelled", audit.CheckState, "{cid}",
		`UPDATE orders SET state = 'EXPIRED', state_reason = '' WHERE id = {cid}`,
	},
	{
		"live on a withdrawn run", audit.CheckState, "{gus}",
		`UPDATE orders SET state = 'ON_HOLD', state_reason = '', ended_at = NULL, ended_run_version = NULL
			WHERE id = {gus}`,
	},
	{
		"on hold with a reason", audit.CheckState, "{ann}",
		`UPDATE orders SET state_reason = 'snow' WHERE id = {ann}`,
	},
	{
		"a train of an order that is not there", audit.CheckOrder, "{jon}",
		`UPDATE orders SET train_id = 'x' WHERE id = {jon}`,
	},
	{
		"a live order on another train", audit.CheckTicket, "{ann}",
		`UPDATE orders SET train_id = (SELECT * FROM (SELECT train_id FROM orders WHERE id = {jon}) o)
			WHERE id = {ann}`,
	},
	{
		"from nowhere", audit.CheckTicket, "{ann}",
		`UPDATE orders SET from_call = -1 WHERE id = {ann}`,
	},
	{
		"to nowhere", audit.CheckTicket, "{ann}",
		`UPDATE orders SET to_call = 9 WHERE id = {ann}`,
	},
	{
		"an ended order to nowhere", audit.CheckTicket, "{jon}",
		`UPDATE orders SET to_call = 9 WHERE id = {jon}`,
	},
	{
		"there and back", audit.CheckTicket, "{ann}",
		`UPDATE orders SET from_call = 2, to_call = 0 WHERE id = {ann}`,
	},
	{
		"a shorter way for the same money", audit.CheckMoney, "{ann}",
		`UPDATE orders SET to_call = 1 WHERE id = {ann}`,
	},
	{
		"another total", audit.CheckMoney, "{ann}",
		`UPDATE orders SET total_minor = total_minor - 1 WHERE id = {ann}`,
	},
	{
		"another currency of the total", audit.CheckMoney, "{ann}",
		`UPDATE orders SET currency = 'JPY' WHERE id = {ann}`,
	},
	{
		"everything in another currency", audit.CheckMoney, "{ann}",
		`UPDATE orders SET currency = 'JPY' WHERE id = {ann};
		UPDATE tickets SET currency = 'JPY' WHERE order_id = {ann}`,
	},
	{
		"placed tomorrow", audit.CheckState, "{ann}",
		`UPDATE orders SET placed_at = {now} + 86400000, pay_by = {now} + 87300000 WHERE id = {ann}`,
	},
	{
		"placed before those before it", audit.CheckState, "{ann}",
		`UPDATE orders SET placed_at = placed_at - 86400000 WHERE id = {ann}`,
	},
	{
		"to be paid before it was placed", audit.CheckState, "{cid}",
		`UPDATE orders SET pay_by = placed_at - 1 WHERE id = {cid}`,
	},
	{
		"to be paid after the departure", audit.CheckState, "{ann}",
		`UPDATE orders SET pay_by = {now} + 864000000 WHERE id = {ann}`,
	},
	{
		"paid at no time", audit.CheckState, "{bob}",
		`UPDATE orders SET paid_at = NULL WHERE id = {bob}`,
	},
	{
		"on hold, paid at some time", audit.CheckState, "{ann}",
		`UPDATE orders SET paid_at = placed_at + 1 WHERE id = {ann}`,
	},
	{
		"paid too late", audit.CheckState, "{bob}",
		`UPDATE orders SET paid_at = pay_by WHERE id = {bob}`,
	},
	{
		"paid before it was placed", audit.CheckState, "{bob}",
		`UPDATE orders SET paid_at = placed_at - 3600000 WHERE id = {bob}`,
	},
	{
		"ended at no time", audit.CheckState, "{cid}",
		`UPDATE orders SET ended_at = NULL WHERE id = {cid}`,
	},
	{
		"on hold, ended at some time", audit.CheckState, "{ann}",
		`UPDATE orders SET ended_at = placed_at + 1 WHERE id = {ann}`,
	},
	{
		"ended before it was placed", audit.CheckState, "{cid}",
		`UPDATE orders SET ended_at = placed_at - 3600000 WHERE id = {cid}`,
	},
	{
		"ended before it was paid", audit.CheckState, "{hal}",
		`UPDATE orders SET ended_at = placed_at - 3600000 WHERE id = {hal}`,
	},
	{
		"expired before its time", audit.CheckState, "{dan}",
		`UPDATE orders SET ended_at = pay_by - 1 WHERE id = {dan}`,
	},
	{
		"cancelled after its time", audit.CheckState, "{cid}",
		`UPDATE orders SET ended_at = pay_by + 1 WHERE id = {cid}`,
	},
	{
		"paid, and cancelled for nothing", audit.CheckState, "{hal}",
		`UPDATE orders SET ended_at = ended_at + 1 WHERE id = {hal}`,
	},
	{
		"paid by no payment", audit.CheckState, "{bob}",
		`UPDATE orders SET payment = NULL WHERE id = {bob}`,
	},
	{
		"paid by a payment that is none", audit.CheckState, "{bob}",
		`UPDATE orders SET payment = 'a key' WHERE id = {bob}`,
	},
	{
		"on hold with a payment of some id", audit.CheckState, "{ann}",
		`UPDATE orders SET payment = 'pay00000001' WHERE id = {ann}`,
	},
	{
		"PAYING by no payment", audit.CheckState, "{mia}",
		`UPDATE orders SET payment = NULL WHERE id = {mia}`,
	},
	{
		"PAYING since no time", audit.CheckState, "{mia}",
		`UPDATE orders SET paying_at = NULL WHERE id = {mia}`,
	},
	{
		"PAYING until no time", audit.CheckState, "{mia}",
		`UPDATE orders SET capture_by = NULL WHERE id = {mia}`,
	},
	{
		"PAYING, and on hold", audit.CheckState, "{mia}",
		`UPDATE orders SET state = 'ON_HOLD' WHERE id = {mia}`,
	},
	{
		"PAYING, and paid at no time", audit.CheckState, "{mia}",
		`UPDATE orders SET state = 'PAID' WHERE id = {mia}`,
	},
	{
		"PAYING, and paid at some time", audit.CheckState, "{ned}",
		`UPDATE orders SET state = 'PAYING' WHERE id = {ned}`,
	},
	{
		"PAYING, and expired", audit.CheckState, "{ola}",
		`UPDATE orders SET state = 'EXPIRED', state_reason = '', ended_at = pay_by WHERE id = {ola}`,
	},
	{
		"PAYING, and not until any time", audit.CheckState, "{ann}",
		`UPDATE orders SET capture_by = placed_at + 1 WHERE id = {ann}`,
	},
	{
		"PAYING after its time to pay", audit.CheckState, "{mia}",
		`UPDATE orders SET pay_by = paying_at WHERE id = {mia}`,
	},
	{
		"PAYING before it was placed", audit.CheckState, "{mia}",
		`UPDATE orders SET paying_at = placed_at - 3600000 WHERE id = {mia}`,
	},
	{
		"PAYING until before it was", audit.CheckState, "{mia}",
		`UPDATE orders SET capture_by = paying_at - 1 WHERE id = {mia}`,
	},
	{
		"PAYING for too long", audit.CheckOverdue, "{mia}",
		`UPDATE orders SET capture_by = {now} - 3600000 WHERE id = {mia}`,
	},
	{
		"paid before it was PAYING", audit.CheckState, "{ned}",
		`UPDATE orders SET paid_at = placed_at - 3600000 WHERE id = {ned}`,
	},
	{
		"paid after the payment's time", audit.CheckState, "{ned}",
		`UPDATE orders SET capture_by = paid_at WHERE id = {ned}`,
	},
	{
		"behind what a payment made of it", audit.CheckVersion, "{ned}",
		`UPDATE orders SET version = 2 WHERE id = {ned}`,
	},
	{
		"not paid, and cancelled before the payment's time", audit.CheckState, "{ola}",
		`UPDATE orders SET ended_at = ended_at - 1 WHERE id = {ola}`,
	},
	{
		"not paid, and cancelled after the payment's time", audit.CheckState, "{ola}",
		`UPDATE orders SET ended_at = ended_at + 1 WHERE id = {ola}`,
	},
	{
		"not paid, and cancelled for another reason", audit.CheckState, "{ola}",
		`UPDATE orders SET state_reason = 'rain' WHERE id = {ola}`,
	},
	{
		"less than no attempt", audit.CheckOrder, "{ann}",
		`UPDATE orders SET pay_attempts = -1 WHERE id = {ann}`,
	},
	{
		"placed at another version than its id says", audit.CheckVersion, "{ann}",
		`UPDATE orders SET placed_run_version = placed_run_version + 1 WHERE id = {ann}`,
	},
	{
		"placed before anything could be sold", audit.CheckVersion, "{ann}",
		`UPDATE orders SET placed_run_version = 1 WHERE id = {ann}`,
	},
	{
		"placed at a version to come", audit.CheckVersion, "{ann}",
		`UPDATE orders SET placed_run_version = 9000000 WHERE id = {ann}`,
	},
	{
		"ended at no version", audit.CheckState, "{cid}",
		`UPDATE orders SET ended_run_version = NULL WHERE id = {cid}`,
	},
	{
		"on hold, ended at some version", audit.CheckState, "{ann}",
		`UPDATE orders SET ended_run_version = placed_run_version + 1 WHERE id = {ann}`,
	},
	{
		"ended at the version it was placed at", audit.CheckVersion, "{cid}",
		`UPDATE orders SET ended_run_version = placed_run_version WHERE id = {cid}`,
	},
	{
		"ended at a version to come", audit.CheckVersion, "{cid}",
		`UPDATE orders SET ended_run_version = 9000000 WHERE id = {cid}`,
	},
	{
		"long overdue", audit.CheckOverdue, "{iva}",
		`UPDATE orders SET placed_at = {now} - 7200000, pay_by = {now} - 3600000 WHERE id = {iva}`,
	},

	// tickets.
	{
		"a ticket of another run", audit.CheckOrphan, "{ann}",
		`UPDATE tickets SET run_id = {D} WHERE order_id = {ann}`,
	},
	{
		"a ticket of no order", audit.CheckOrphan, "x",
		`UPDATE tickets SET order_id = 'x' WHERE order_id = {ann}`,
	},
	{
		"an order without tickets", audit.CheckTicket, "{ann}",
		`DELETE FROM tickets WHERE order_id = {ann}`,
	},
	{
		"an ended order without tickets", audit.CheckTicket, "{cid}",
		`DELETE FROM tickets WHERE order_id = {cid}`,
	},
	{
		"a ticket that is missing", audit.CheckMoney, "{bob}",
		`DELETE FROM tickets WHERE order_id = {bob} AND n = 1`,
	},
	{
		"a gap in the numbers of tickets", audit.CheckTicket, "{bob}",
		`UPDATE tickets SET n = 5 WHERE order_id = {bob} AND n = 1`,
	},
	{
		"a class that is none", audit.CheckTicket, "{ann}",
		`UPDATE tickets SET seat_class = 'ROOF' WHERE order_id = {ann}`,
	},
	{
		"a class its price is not of", audit.CheckMoney, "{ann}",
		`UPDATE tickets SET seat_class = 'HARD_SEAT', coach = '3', seat = '23A', seat_index = 0
			WHERE order_id = {ann}`,
	},
	{
		"less than the first seat", audit.CheckTicket, "{ann}",
		`UPDATE tickets SET seat_index = -1 WHERE order_id = {ann}`,
	},
	{
		"more than the last seat", audit.CheckTicket, "{ann}",
		`UPDATE tickets SET seat_index = 12 WHERE order_id = {ann}`,
	},
	{
		"another seat of an ended order", audit.CheckTicket, "{cid}",
		`UPDATE tickets SET seat_index = seat_index + 1 WHERE order_id = {cid}`,
	},
	{
		"another coach", audit.CheckTicket, "{ann}",
		`UPDATE tickets SET coach = '3' WHERE order_id = {ann}`,
	},
	{
		"another label", audit.CheckTicket, "{ann}",
		`UPDATE tickets SET seat = '23B' WHERE order_id = {ann}`,
	},
	{
		"a seat sold twice", audit.CheckOverlap, "{A}",
		`UPDATE tickets SET seat_index = {seat of ann}, coach = '4', seat = {label of ann}
			WHERE order_id = {bob} AND n = 1`,
	},
	{
		"a seat sold while a cancelled order had it", audit.CheckOverlap, "{A}",
		`UPDATE tickets SET seat_index = {seat of ann}, coach = '4', seat = {label of ann} WHERE order_id = {cid}`,
	},
	{
		"a seat sold twice on a run that cannot be read", audit.CheckOverlap, "{A}",
		`UPDATE tickets SET seat_index = {seat of ann}, coach = '4', seat = {label of ann}
			WHERE order_id = {bob} AND n = 1;
		UPDATE runs SET train_id = 'x' WHERE id = {A}`,
	},
	{
		"another price", audit.CheckMoney, "{ann}",
		`UPDATE tickets SET price_minor = price_minor + 1 WHERE order_id = {ann}`,
	},
	{
		"another price and total", audit.CheckMoney, "{jon}",
		`UPDATE tickets SET price_minor = 1 WHERE order_id = {jon};
		UPDATE orders SET total_minor = 1 WHERE id = {jon}`,
	},
	{
		"another currency of a ticket", audit.CheckMoney, "{ann}",
		`UPDATE tickets SET currency = 'JPY' WHERE order_id = {ann}`,
	},
	{
		"a document twice on a leg", audit.CheckDocument, "{A}",
		`UPDATE tickets SET document = {document of ann} WHERE order_id = {bob} AND n = 1`,
	},
	{
		"a document twice in an order", audit.CheckDocument, "{bob}",
		`UPDATE tickets SET document = 'x' WHERE order_id = {bob}`,
	},
	{
		"a document twice while a cancelled order had it", audit.CheckDocument, "{A}",
		`UPDATE tickets SET document = {document of ann} WHERE order_id = {cid}`,
	},
	{
		"another document", audit.CheckPersonal, "{ann}",
		`UPDATE tickets SET document = 'x' WHERE order_id = {ann}`,
	},
	{
		"no document", audit.CheckDocument, "{ann}",
		`UPDATE tickets SET document = '' WHERE order_id = {ann}`,
	},

	// trains, formations and stations.
	{
		"a train that was changed", audit.CheckTrain, "train {train of A}",
		`UPDATE trains SET document = '{}' WHERE id = '{train of A}'`,
	},
	{
		"a run whose train was changed", audit.CheckRun, "{A}",
		`UPDATE trains SET document = '{}' WHERE id = '{train of A}'`,
	},
	{
		"a train with another id", audit.CheckTrain, "train x",
		`UPDATE trains SET id = 'x' WHERE id = '{train of A}'`,
	},
	{
		"a train without its formation", audit.CheckTrain, "train {train of A}",
		`UPDATE trains SET formation_id = 'x' WHERE id = '{train of A}'`,
	},
	{
		"a train that is missing", audit.CheckRun, "{A}",
		`DELETE FROM trains WHERE id = '{train of A}'`,
	},
	{
		"a train that goes nowhere", audit.CheckTrain, "train {broken id}",
		`INSERT INTO trains (id, formation_id, document) VALUES ({broken train})`,
	},
	{
		"a run whose train goes nowhere", audit.CheckRun, "{A}",
		`INSERT INTO trains (id, formation_id, document) VALUES ({broken train});
		UPDATE runs SET train_id = '{broken id}' WHERE id = {A}`,
	},
	{
		"a formation that was changed", audit.CheckTrain, "formation",
		`UPDATE formations SET document = '[]'`,
	},
	{
		"a formation with another id", audit.CheckTrain, "formation x",
		`UPDATE formations SET id = 'x' WHERE id = '{formation of A}'`,
	},
	{
		"a formation without seats", audit.CheckTrain, "formation {empty formation}",
		`INSERT INTO formations (id, document) VALUES ('{empty formation}', '[]')`,
	},
	{
		"a station with another code", audit.CheckStation, "station XXX",
		`UPDATE stations SET code = 'XXX' WHERE code = 'TJP'`,
	},
	{
		"a station that is missing", audit.CheckStation, "station TJP",
		`DELETE FROM stations WHERE code = 'TJP'`,
	},
	{
		"a station that cannot be read", audit.CheckStation, "station TJP",
		`UPDATE stations SET document = 'x' WHERE code = 'TJP'`,
	},
	{
		"a station in no time zone", audit.CheckStation, "station TJP",
		`UPDATE stations SET document = '{"code":"TJP","name":"T","timeZone":"Mars"}' WHERE code = 'TJP'`,
	},
	{
		"a station without its publication", audit.CheckPublication, "station TJP",
		`UPDATE stations SET publication = 999 WHERE code = 'TJP'`,
	},
	{
		"a station of a person that a feed has", audit.CheckStation, "station TJP",
		`UPDATE stations SET feed = 'East Railway' WHERE code = 'TJP'`,
	},
	{
		"a station of a feed that is not there", audit.CheckStation, "station EAST1",
		`UPDATE stations SET feed = '' WHERE code = 'EAST1'`,
	},

	// publications and counters.
	{
		"a publication that is missing", audit.CheckPublication, "publication 3",
		`DELETE FROM publications WHERE number = 2`,
	},
	{
		"a publication with another number", audit.CheckPublication, "publication 998",
		`UPDATE publications SET number = 998 WHERE number = 1`,
	},
	{
		"a publication too many", audit.CheckPublication, "publication 999",
		`INSERT INTO publications (number, at, who, what, reason, runs) VALUES (999, 1, 'x', 'STATIONS', '', '')`,
	},
	{
		"published tomorrow", audit.CheckPublication, "publication 1",
		`UPDATE publications SET at = {now} + 86400000 WHERE number = 1`,
	},
	{
		"published never", audit.CheckPublication, "publication 1",
		`UPDATE publications SET at = 0 WHERE number = 1`,
	},
	{
		"published before those before it", audit.CheckPublication, "publication 2",
		`UPDATE publications SET at = at - 86400000 WHERE number = 2`,
	},
	{
		"did nothing", audit.CheckPublication, "publication 1",
		`UPDATE publications SET what = 'NOTHING' WHERE number = 1`,
	},
	{
		"did something else", audit.CheckPublication, "publication 1",
		`UPDATE publications SET what = 'PUBLISH' WHERE number = 1`,
	},
	{
		"a publication of no runs", audit.CheckPublication, "publication {published}",
		`UPDATE publications SET runs = '' WHERE number = {published}`,
	},
	{
		"a publication of other runs", audit.CheckPublication, "publication {published}",
		`UPDATE publications SET runs = 'T99@2030-01-01' WHERE number = {published}`,
	},
	{
		"numbers that go back", audit.CheckPublication, "counter publication",
		`UPDATE counters SET value = value - 1`,
	},
	{
		"numbers that run ahead", audit.CheckPublication, "counter publication",
		`UPDATE counters SET value = value + 1`,
	},
	{
		"no number", audit.CheckPublication, "counter publication",
		`DELETE FROM counters`,
	},
	{
		"a number of something else", audit.CheckPublication, "counter publication",
		`UPDATE counters SET name = 'x'`,
	},

	// asked_documents.
	{
		"asked without a buyer", audit.CheckAsked, "asked_documents",
		`UPDATE asked_documents SET buyer = ''`,
	},
	{
		"asked for nothing", audit.CheckAsked, "asked_documents",
		`UPDATE asked_documents SET document = ''`,
	},
	{
		"asked tomorrow", audit.CheckAsked, "asked_documents",
		`UPDATE asked_documents SET at = {now} + 86400000`,
	},
	{
		"asked and not forgotten", audit.CheckAsked, "asked_documents",
		`UPDATE asked_documents SET at = {now} - 864000000`,
	},
	{
		"asked of no run", audit.CheckOrphan, "asked_documents",
		`UPDATE asked_documents SET run_id = 'T99@2030-01-01'`,
	},

	// Personal data, and order_records.
	{
		"forgotten, and the passenger is there", audit.CheckPersonal, "{ann}",
		`UPDATE orders SET erased_at = {now} WHERE id = {ann}`,
	},
	{
		"forgotten before the run was over", audit.CheckPersonal, "{A}",
		`UPDATE runs SET erased_at = {now} WHERE id = {A}`,
	},
	{
		"erased tomorrow", audit.CheckState, "{lou}",
		`UPDATE orders SET erased_at = {now} + 86400000 WHERE id = {lou}`,
	},
	{
		"not forgotten with its run", audit.CheckPersonal, "{lou}",
		`UPDATE orders SET erased_at = NULL WHERE id = {lou}`,
	},
	{
		"an order behind its erasure", audit.CheckVersion, "{lou}",
		`UPDATE orders SET version = 2 WHERE id = {lou}`,
	},
	{
		"a digest of a request that is missing", audit.CheckPersonal, "{ann}",
		`UPDATE orders SET body_hash = '' WHERE id = {ann}`,
	},
	{
		"a digest of a request that was forgotten", audit.CheckPersonal, "{lou}",
		`UPDATE orders SET body_hash = 'x' WHERE id = {lou}`,
	},
	{
		"a digest of a document that was forgotten", audit.CheckPersonal, "{lou}",
		`UPDATE tickets SET document = 'x' WHERE order_id = {lou}`,
	},
	{
		"a passenger that is missing", audit.CheckPersonal, "{ann}",
		`UPDATE tickets SET personal = NULL WHERE order_id = {ann}`,
	},
	{
		"a passenger that cannot be opened", audit.CheckPersonal, "{ann}",
		`UPDATE tickets SET personal = 'x' WHERE order_id = {ann}`,
	},
	{
		"a passenger of no key", audit.CheckPersonal, "{ann}",
		`UPDATE tickets SET personal_key = NULL WHERE order_id = {ann}`,
	},
	{
		"a key that is not noted", audit.CheckPersonal, "personal_keys",
		`DELETE FROM personal_keys`,
	},
	{
		"a record of no order", audit.CheckOrphan, "order_records",
		`UPDATE order_records SET order_id = 'x'`,
	},
	{
		"a record of another run", audit.CheckOrphan, "order_records",
		`UPDATE order_records SET run_id = {D}`,
	},
	{
		"a record that is missing", audit.CheckVersion, "{ann}",
		`DELETE FROM order_records`,
	},
	{
		"a record of a version to come", audit.CheckRecord, "{ann}",
		`UPDATE order_records SET version = 99`,
	},
	{
		"a record without an admin", audit.CheckRecord, "{ann}",
		`UPDATE order_records SET who = ''`,
	},
	{
		"a record of nothing", audit.CheckRecord, "{ann}",
		`UPDATE order_records SET what = 'nothing'`,
	},
	{
		"a record of tomorrow", audit.CheckRecord, "{ann}",
		`UPDATE order_records SET at = {now} + 86400000`,
	},

	// outbox.
	{
		"an event of no run", audit.CheckOrphan, "outbox T99@2030-01-01/0000000001",
		`UPDATE outbox SET id = 'T99@2030-01-01/0000000001' WHERE id = '{row of C}'`,
	},
	{
		"an event of a version to come", audit.CheckEvent, "outbox {c}/vvvvvvvvvv",
		`UPDATE outbox SET id = '{c}/vvvvvvvvvv' WHERE id = '{row of C}'`,
	},
	{
		"an event of an order at another version of the run", audit.CheckEvent, "outbox {d}/0000000001",
		`UPDATE outbox SET id = '{d}/0000000001' WHERE id = '{row of jon}'`,
	},
	{
		"an event of no order", audit.CheckEvent, "outbox {d}/0000000001",
		`UPDATE outbox SET id = '{d}/0000000001' WHERE id = '{row of kim}'`,
	},
	{
		"an event in a row that names no run", audit.CheckEvent, "outbox x",
		`UPDATE outbox SET id = 'x' WHERE id = '{row of C}'`,
	},
	{
		"no events", audit.CheckEvent, "outbox {row of kim}",
		`UPDATE outbox SET events = '' WHERE id = '{row of kim}'`,
	},
	{
		"events that break off", audit.CheckEvent, "outbox {row of kim}",
		`UPDATE outbox SET events = 'oo' WHERE id = '{row of kim}'`,
	},
	{
		"an event of an unknown type", audit.CheckEvent, "outbox {row of kim}",
		`UPDATE outbox SET events = '?' WHERE id = '{row of kim}'`,
	},
	{
		"an event that the run is not", audit.CheckEvent, "outbox {row of C}",
		`UPDATE outbox SET events = (SELECT CONCAT('w', SUBSTR(events, 2)) FROM (SELECT events FROM outbox ` +
			`WHERE id = '{row of C}') c) WHERE id = '{row of C}'`,
	},
	{
		"a payment of an order that is not paid", audit.CheckEvent, "outbox {row of bob}",
		`UPDATE orders SET paid_at = NULL WHERE id = {bob}`,
	},
	{
		"a payment that the order has not come to", audit.CheckEvent, "outbox {row of bob}",
		`UPDATE orders SET version = 1 WHERE id = {bob}`,
	},
	{
		"an order that was not cancelled", audit.CheckEvent, "outbox {row of jon}",
		`UPDATE orders SET state = 'EXPIRED' WHERE id = {jon}`,
	},
	{
		"an order that was placed at another version", audit.CheckEvent, "outbox {row of kim}",
		`UPDATE orders SET placed_run_version = placed_run_version - 1 WHERE id = {kim}`,
	},
	{
		"an event of tomorrow", audit.CheckEvent, "outbox {row of kim}",
		`UPDATE outbox SET at = {now} + 86400000`,
	},
	{
		"an event of a week ago", audit.CheckEvent, "outbox {row of kim}",
		`UPDATE outbox SET at = {now} - 864000000`,
	},
	{
		"published and not taken", audit.CheckEvent, "outbox {row of kim}",
		`UPDATE outbox SET taken = 0`,
	},
	{
		"published before all time", audit.CheckEvent, "outbox {row of kim}",
		`UPDATE outbox SET stream_millis = 0 WHERE id = '{row of kim}'`,
	},
	{
		"published as no entry", audit.CheckEvent, "outbox {row of kim}",
		`UPDATE outbox SET stream_seq = -1 WHERE id = '{row of kim}'`,
	},

	// cluster and cluster_members.
	{
		"another row of the cluster", audit.CheckCluster, "cluster",
		`UPDATE cluster SET id = 2`,
	},
	{
		"two rows of the cluster", audit.CheckCluster, "cluster",
		`INSERT INTO cluster (id, epoch, primary_member, opened_at) VALUES (2, 1, 'db1:3306', 1)`,
	},
	{
		"no epoch", audit.CheckCluster, "cluster",
		`UPDATE cluster SET epoch = 0`,
	},
	{
		"a primary that does not count", audit.CheckCluster, "cluster",
		`UPDATE cluster SET primary_member = 'db3:3306'`,
	},
	{
		"opened tomorrow", audit.CheckCluster, "cluster",
		`UPDATE cluster SET opened_at = {now} + 86400000`,
	},
	{
		"a member that is missing", audit.CheckCluster, "cluster",
		`DELETE FROM cluster_members WHERE member = 'db1:3306'`,
	},
	{
		"a member with another name", audit.CheckCluster, "cluster",
		`UPDATE cluster_members SET member = 'db9:3306' WHERE member = 'db1:3306'`,
	},
	{
		"a state of a member that is none", audit.CheckCluster, "member db2:3306",
		`UPDATE cluster_members SET state = 'GONE' WHERE member = 'db2:3306'`,
	},
	{
		"one server as two members", audit.CheckCluster, "member db2:3306",
		`UPDATE cluster_members SET server_uuid = 'u1' WHERE member = 'db2:3306'`,
	},
	{
		"a member since tomorrow", audit.CheckCluster, "member db2:3306",
		`UPDATE cluster_members SET since = {now} + 86400000 WHERE member = 'db2:3306'`,
	},
}

// believed are the columns that verify compares with nothing. Every command checks personal_keys.check_value when it
// starts. Verify believes runs.sale_opens_at, too, where a run has no orders.
var believed = []string{
	"publications.who", "publications.reason", "cluster_members.by_whom", "cluster_members.reason", "personal_keys.id",
	"personal_keys.check_value",
	"event_groups.name", "event_groups.since", "personal_keys.since", "personal_keys.retired_at",
	"order_records.reason", "refunds.run_version", "changes.wanted",
}

// TestPlanted_EveryColumn looks in every table for columns that no statement writes.
func TestPlanted_EveryColumn(t *testing.T) {
	options := sqlledger.Options{Path: filepath.Join(t.TempDir(), "ledger.db")}
	require.NoError(t, sqlledger.Migrate(t.Context(), options))
	rows, err := ledgertest.DB(t, options).QueryContext(t.Context(),
		"SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c "+
			"WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE 'goose%'")
	require.NoError(t, err)
	defer rows.Close()
	tables := map[string]bool{}
	for rows.Next() {
		var table, column string
		require.NoError(t, rows.Scan(&table, &column))
		tables[table] = true
		writes := regexp.MustCompile(`^\s*UPDATE ` + table + ` SET (.*, )?` + column + ` = `)
		planted := slices.ContainsFunc(slices.Concat(plantedInLedger, plantedInTickets), func(p planted) bool {
			return slices.ContainsFunc(p.statements(), writes.MatchString)
		})
		assert.NotEqual(t, slices.Contains(believed, table+"."+column), planted, "%s.%s", table, column)
	}
	require.NoError(t, rows.Err())
	require.ElementsMatch(t, historyTables, slices.Collect(maps.Keys(tables)))
}

// TestVerify_FindsEverythingThatARowSaysWrongly plants what each column can say wrongly, one after the other, into a
// ledger with everything in it that can happen, in which verify finds nothing.
func TestVerify_FindsEverythingThatARowSaysWrongly(t *testing.T) {
	for _, flavor := range settingsFlavors {
		t.Run(flavor.name, func(t *testing.T) {
			h := makeHistory(t, flavor.settings(t))
			require.Equal(t, &audit.Report{OK: true, Runs: 11, Tickets: 11, Refunds: 3, Defects: []audit.Defect{}}, h.verify(),
				"what is right is not called wrong")
			restore := h.keep(historyTables)
			for _, p := range plantedInLedger {
				t.Run(p.name, func(t *testing.T) {
					said := h.findingsOf(t, &p, restore)
					require.True(t, h.found(said, &p), "no finding %q of %q among %+v", p.check, p.where, said)
				})
			}
			for i := range rulesOfTickets {
				// A server takes a third of a second for each. Where not all servers are tested, one database has them.
				if flavor.name != "SQLite" && os.Getenv("INTERLOCK_TEST_SERVERS") != "" {
					break
				}
				r := &rulesOfTickets[i]
				t.Run(r.says, func(t *testing.T) {
					p := r.planted()
					said := h.findingsOf(t, &p, restore)
					require.True(t, slices.ContainsFunc(said.Defects, func(d audit.Defect) bool { return r.foundBy(h, &d) }),
						"no finding %q of %q among %+v, by %s", p.check, p.where, said, r.sql)
				})
			}
			require.True(t, h.verify().OK)

			h.exec(h.replacer.Replace("UPDATE orders SET placed_at = {now} - 7200000, pay_by = {now} - 3600000 " +
				"WHERE id = {iva}"))
			h.exec(h.replacer.Replace("UPDATE asked_documents SET at = {now} - 864000000"))
			h.idle = true
			require.True(t, h.verify().OK, "no hold is late where no server runs")
		})
	}
}

// findingsOf is what verify finds of something that is planted, and names no passenger. What was planted is gone again.
func (h *history) findingsOf(t *testing.T, p *planted, restore func()) *audit.Report {
	t.Helper()
	defer restore()
	for _, statement := range p.statements() {
		h.exec(h.replacer.Replace(statement))
	}
	report := h.verify()
	require.False(t, report.OK)
	said, err := json.Marshal(report)
	require.NoError(t, err)
	for _, personal := range []string{"A Passenger", "B Passenger", "D00000", `"ann"`, `"bob"`} {
		require.NotContains(t, string(said), personal)
	}
	return report
}

// TestVerify_CallsNothingWrongThatIsUnderWay verifies again and again while a server publishes, sells, is paid,
// cancels, suspends, resumes and withdraws.
func TestVerify_CallsNothingWrongThatIsUnderWay(t *testing.T) {
	for _, flavor := range settingsFlavors {
		t.Run(flavor.name, func(t *testing.T) {
			settings := flavor.settings(t)
			r := start(t, settings)
			h := &history{t: t, r: r, options: sealingOptions(t, settings)}
			r.publishT12(t)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range 25 {
					h.bustle(i)
				}
			}()
			times := 0
			for over := false; !over; times++ {
				select {
				case <-done:
					over = true
				default:
				}
				report := h.verify()
				require.True(t, report.OK, "%+v", report.Defects)
			}
			require.Greater(t, times, 5, "this proves nothing")
		})
	}
}

// bustle does a little of everything at once on a new run.
func (h *history) bustle(i int) {
	r, t := h.r, h.t
	post := func(token, query string, variables map[string]any) *answer { return r.ask(t, token, query, variables) }
	post(r.admin, publishStationMutation, map[string]any{"i": map[string]any{
		"code": "TJP", "name": fmt.Sprint("天津", i), "timeZone": "Asia/Shanghai",
	}})
	published := post(r.admin, publishTrainMutation,
		map[string]any{"i": change(trainInput(), map[string]any{"number": fmt.Sprint("X", i)})})
	run := published.at(t, "publishTrain.runs.0.id").(string)
	var all sync.WaitGroup
	for k := range 4 {
		all.Go(func() {
			who := r.token(t, fmt.Sprint("buyer-", k), rail.RolePassenger)
			input := orderInput(run, fmt.Sprint("key-0000000", k), fmt.Sprintf("D%03d%03d", i, k))
			input["to"] = []string{"TJP", "SHH"}[k%2]
			order := post(who, placeOrderMutation, map[string]any{"i": input}).at(t, "placeOrder.order.id")
			if order == nil {
				return
			}
			if k < 2 {
				post(who, payOrderMutation, map[string]any{"i": map[string]any{
					"orderId": order, "idempotencyKey": "pay-of-order",
				}})
			} else {
				post(who, cancelOrderMutation, map[string]any{"i": map[string]any{"orderId": order}})
			}
		})
	}
	all.Go(func() {
		for _, decision := range []string{
			`suspendRun(input:{runId:$r,reason:"snow"})`, `resumeRun(input:{runId:$r,reason:"sun"})`,
		} {
			post(r.admin, `mutation($r:ID!){m:`+decision+`{userErrors{code}}}`, map[string]any{"r": run})
		}
	})
	all.Wait()
	if i%3 == 0 {
		post(r.admin,
			`mutation($r:ID!){m:withdrawRun(input:{runId:$r,reason:"snow",cancelOrders:true}){userErrors{code}}}`,
			map[string]any{"r": run})
	}
}

// settingsFlavors are servers on each kind of database.
var settingsFlavors = []struct {
	name     string
	settings func(t *testing.T) *Settings
}{
	{"SQLite", func(t *testing.T) *Settings { return embeddedSettings(t) }},
	{"MySQL", func(t *testing.T) *Settings { return realSettings(t, withDatabase(serverstest.MySQL(t))) }},
	{"MariaDB", func(t *testing.T) *Settings { return realSettings(t, withDatabase(serverstest.MariaDB(t))) }},
}

// found tells whether a report names the check and the place of what was planted.
func (h *history) found(report *audit.Report, p *planted) bool {
	where := strings.Trim(h.replacer.Replace(p.where), "'")
	return slices.ContainsFunc(report.Defects, func(d audit.Defect) bool {
		if d.Check != p.check {
			return false
		}
		switch {
		case len(p.where) == len("{A}"):
			return string(d.Run) == where
		case strings.HasPrefix(p.where, "{"):
			return d.Order == where
		case p.where == "formation":
			return strings.HasPrefix(d.Row, where) // Its id is a digest.
		}
		return where == d.Row || where == string(d.Run) || where == d.Order
	})
}
