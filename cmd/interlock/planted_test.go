package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/audit"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// planted is something that a row says wrongly. In its statements, check and names, {A} is a run and {ann} the order of
// a buyer: see story.
type planted struct {
	name       string
	statements []string
	check      string
	// run and order are which the finding has to name, row which of another table; "" is any.
	run, order, row string
}

// one is planted by one statement.
func one(name, check, where, statement string) planted {
	p := planted{name: name, check: check, statements: []string{statement}}
	switch {
	case len(where) == len("{A}"):
		p.run = where
	case strings.HasPrefix(where, "{"):
		p.order = where
	default:
		p.row = where
	}
	return p
}

// plantedInLedger are what each column of each table can say wrongly, but for believed.
var plantedInLedger = []planted{
	one("a run of another date", audit.CheckRun, "T12@2030-01-01", "UPDATE runs SET id = 'T12@2030-01-01' WHERE id = {A}"),
	one("orders without their run", audit.CheckOrphan, "{ann}", "UPDATE runs SET id = 'T12@2030-01-01' WHERE id = {A}"),
	one("maps without their run", audit.CheckOrphan, "seat_maps", "UPDATE runs SET id = 'T12@2030-01-01' WHERE id = {A}"),
	one("an id that is none", audit.CheckRun, "\u00e9", "UPDATE runs SET id = '\u00e9' WHERE id = {A}"),
	one("train_number", audit.CheckRun, "{A}", "UPDATE runs SET train_number = 'T13' WHERE id = {A}"),
	one("a train that is not there", audit.CheckRun, "{A}", "UPDATE runs SET train_id = 'x' WHERE id = {A}"),
	one("another train", audit.CheckRun, "{A}", "UPDATE runs SET train_id = (SELECT * FROM (SELECT train_id FROM runs WHERE id = {B}) b) WHERE id = {A}"),
	one("another train than live orders have", audit.CheckTicket, "{ann}",
		"UPDATE runs SET train_id = (SELECT * FROM (SELECT train_id FROM runs WHERE id = {B}) b) WHERE id = {A}"),
	one("a date that is none", audit.CheckRun, "{A}", "UPDATE runs SET service_date = 'yesterday' WHERE id = {A}"),
	one("another date", audit.CheckRun, "{A}", "UPDATE runs SET service_date = '2030-01-01' WHERE id = {A}"),
	one("sold before it was opened", audit.CheckState, "{ann}", "UPDATE runs SET sale_opens_at = {now} + 60000 WHERE id = {A}"),
	one("sold after it was closed", audit.CheckState, "{ann}", "UPDATE runs SET closes_before_seconds = 86400 * 30 WHERE id = {A}"),
	one("closed after the departure", audit.CheckRun, "{A}", "UPDATE runs SET closes_before_seconds = -1 WHERE id = {A}"),
	one("a status that is none", audit.CheckRun, "{A}", "UPDATE runs SET status = 'OPEN' WHERE id = {A}"),
	one("suspended for nothing", audit.CheckRun, "{A}", "UPDATE runs SET status = 'SUSPENDED' WHERE id = {A}"),
	one("withdrawn without a record", audit.CheckRun, "{A}", "UPDATE runs SET status = 'WITHDRAWN', reason = 'snow' WHERE id = {A}"),
	one("withdrawn with live orders", audit.CheckState, "{ann}", "UPDATE runs SET status = 'WITHDRAWN', reason = 'snow' WHERE id = {A}"),
	one("resumed without a record", audit.CheckRun, "{C}", "UPDATE runs SET status = 'PUBLISHED', reason = '' WHERE id = {C}"),
	one("open with a reason", audit.CheckRun, "{A}", "UPDATE runs SET reason = 'snow' WHERE id = {A}"),
	one("another reason", audit.CheckRun, "{C}", "UPDATE runs SET reason = 'leaves' WHERE id = {C}"),
	one("behind its orders", audit.CheckVersion, "{ann}", "UPDATE runs SET version = 2 WHERE id = {A}"),
	one("behind its changes", audit.CheckVersion, "{A}", "UPDATE runs SET version = 2 WHERE id = {A}"),
	one("behind the first version", audit.CheckVersion, "{E}", "UPDATE runs SET version = 0 WHERE id = {E}"),
	one("touched tomorrow", audit.CheckRun, "{A}", "UPDATE runs SET touched_at = {now} + 86400000 WHERE id = {A}"),
	one("a publication that is not there", audit.CheckPublication, "{A}", "UPDATE runs SET publication = 999 WHERE id = {A}"),
	one("an earlier publication", audit.CheckPublication, "{E}", "UPDATE runs SET publication = 1 WHERE id = {E}"),
	one("an earlier publication of trains", audit.CheckPublication, "publication {changed}", "UPDATE runs SET publication = publication - 1 WHERE id = {D}"),
	one("changes_bytes", audit.CheckMap, "{A}", "UPDATE runs SET changes_bytes = changes_bytes + 1 WHERE id = {A}"),
	one("changes_bytes without maps", audit.CheckMap, "{E}", "UPDATE runs SET changes_bytes = 0 WHERE id = {E}"),

	one("a map with a seat free", audit.CheckMap, "{A}", "UPDATE seat_maps SET sold = (SELECT * FROM (SELECT sold FROM seat_maps WHERE run_id = {D} AND seat_class = 'HARD_SEAT') d) WHERE run_id = {A} AND seat_class = 'HARD_SLEEPER'"),
	one("a map that cannot be read", audit.CheckMap, "{A}", "UPDATE seat_maps SET sold = 'x' WHERE run_id = {A}"),
	one("a map of a class there is not", audit.CheckMap, "{A}", "UPDATE seat_maps SET seat_class = 'FIRST' WHERE run_id = {A} AND seat_class = 'HARD_SEAT'"),
	one("a map too many", audit.CheckMap, "{A}", "INSERT INTO seat_maps (run_id, seat_class, sold) VALUES ({A}, 'FIRST', 'x')"),
	one("a map that is missing", audit.CheckMap, "{A}", "DELETE FROM seat_maps WHERE run_id = {A} AND seat_class = 'HARD_SEAT'"),
	one("a map of no run", audit.CheckOrphan, "seat_maps", "UPDATE seat_maps SET run_id = 'T99@2030-01-01' WHERE run_id = {A}"),
	one("changes that are lost", audit.CheckMap, "{A}", "UPDATE seat_changes SET changes = '' WHERE run_id = {A}"),
	one("changes that cannot be read", audit.CheckMap, "{A}", "UPDATE seat_changes SET changes = 'x' WHERE run_id = {A}"),
	one("changes that are missing", audit.CheckMap, "{A}", "DELETE FROM seat_changes WHERE run_id = {A}"),
	one("changes to come", audit.CheckVersion, "{A}", "UPDATE seat_changes SET version = version + 1000 WHERE run_id = {A}"),
	one("changes of no version", audit.CheckVersion, "{A}", "UPDATE seat_changes SET version = version - 10000000 WHERE run_id = {A}"),
	one("changes of no run", audit.CheckOrphan, "seat_changes", "UPDATE seat_changes SET run_id = 'T99@2030-01-01' WHERE run_id = {A}"),

	one("an order of another run", audit.CheckOrder, "{ann}", "UPDATE orders SET run_id = {D} WHERE id = {ann}"),
	one("an order with another id", audit.CheckVersion, "{a}/0000000002x", "UPDATE orders SET id = '{a}/0000000002x' WHERE id = {ann}"),
	one("tickets without their order", audit.CheckOrphan, "{ann}", "UPDATE orders SET id = '{a}/0000000002x' WHERE id = {ann}"),
	one("an order that is missing", audit.CheckOrphan, "{ann}", "DELETE FROM orders WHERE id = {ann}"),
	one("an order without a number", audit.CheckOrder, "{ann}", "UPDATE orders SET number = '' WHERE id = {ann}"),
	one("an order without a buyer", audit.CheckOrder, "{ann}", "UPDATE orders SET buyer = '' WHERE id = {ann}"),
	one("a key that is none", audit.CheckOrder, "{ann}", "UPDATE orders SET idempotency_key = 'a key' WHERE id = {ann}"),
	one("an order behind its end", audit.CheckVersion, "{cid}", "UPDATE orders SET version = 1 WHERE id = {cid}"),
	one("an order behind its payment and end", audit.CheckVersion, "{hal}", "UPDATE orders SET version = 2 WHERE id = {hal}"),
	one("an order ahead of what became of it", audit.CheckVersion, "{ann}", "UPDATE orders SET version = version + 1 WHERE id = {ann}"),
	one("a state that is none", audit.CheckState, "{ann}", "UPDATE orders SET state = 'LOST' WHERE id = {ann}"),
	one("paid without a payment", audit.CheckState, "{ann}", "UPDATE orders SET state = 'PAID' WHERE id = {ann}"),
	one("cancelled without an end", audit.CheckState, "{ann}", "UPDATE orders SET state = 'CANCELLED' WHERE id = {ann}"),
	one("expired without an end", audit.CheckState, "{ann}", "UPDATE orders SET state = 'EXPIRED' WHERE id = {ann}"),
	one("on hold with a payment", audit.CheckState, "{bob}", "UPDATE orders SET state = 'ON_HOLD' WHERE id = {bob}"),
	one("expired with a payment", audit.CheckState, "{hal}", "UPDATE orders SET state = 'EXPIRED' WHERE id = {hal}"),
	one("live with an end", audit.CheckState, "{cid}", "UPDATE orders SET state = 'ON_HOLD' WHERE id = {cid}"),
	one("live on a seat it gave back", audit.CheckMap, "{A}", "UPDATE orders SET state = 'ON_HOLD' WHERE id = {cid}"),
	one("ended with its seats in the map", audit.CheckMap, "{A}", "UPDATE orders SET state = 'EXPIRED', ended_at = pay_by, ended_run_version = placed_run_version + 1 WHERE id = {ann}"),
	one("cancelled that expired", audit.CheckState, "{dan}", "UPDATE orders SET state = 'CANCELLED' WHERE id = {dan}"),
	one("expired that was cancelled", audit.CheckState, "{cid}", "UPDATE orders SET state = 'EXPIRED', state_reason = '' WHERE id = {cid}"),
	one("live on a withdrawn run", audit.CheckState, "{gus}", "UPDATE orders SET state = 'ON_HOLD', state_reason = '', ended_at = NULL, ended_run_version = NULL WHERE id = {gus}"),
	one("on hold with a reason", audit.CheckState, "{ann}", "UPDATE orders SET state_reason = 'snow' WHERE id = {ann}"),
	one("a train of an order that is not there", audit.CheckOrder, "{jon}", "UPDATE orders SET train_id = 'x' WHERE id = {jon}"),
	one("a live order on another train", audit.CheckTicket, "{ann}", "UPDATE orders SET train_id = (SELECT * FROM (SELECT train_id FROM orders WHERE id = {jon}) o) WHERE id = {ann}"),
	one("from nowhere", audit.CheckTicket, "{ann}", "UPDATE orders SET from_call = -1 WHERE id = {ann}"),
	one("to nowhere", audit.CheckTicket, "{ann}", "UPDATE orders SET to_call = 9 WHERE id = {ann}"),
	one("an ended order to nowhere", audit.CheckTicket, "{jon}", "UPDATE orders SET to_call = 9 WHERE id = {jon}"),
	one("there and back", audit.CheckTicket, "{ann}", "UPDATE orders SET from_call = 2, to_call = 0 WHERE id = {ann}"),
	one("a shorter way for the same money", audit.CheckMoney, "{ann}", "UPDATE orders SET to_call = 1 WHERE id = {ann}"),
	one("another total", audit.CheckMoney, "{ann}", "UPDATE orders SET total_minor = total_minor - 1 WHERE id = {ann}"),
	one("another currency of the total", audit.CheckMoney, "{ann}", "UPDATE orders SET currency = 'JPY' WHERE id = {ann}"),
	{
		"everything in another currency",
		[]string{"UPDATE orders SET currency = 'JPY' WHERE id = {ann}", "UPDATE tickets SET currency = 'JPY' WHERE order_id = {ann}"},
		audit.CheckMoney, "", "{ann}", "",
	},
	one("placed tomorrow", audit.CheckState, "{ann}", "UPDATE orders SET placed_at = {now} + 86400000, pay_by = {now} + 87300000 WHERE id = {ann}"),
	one("placed before those before it", audit.CheckState, "{ann}", "UPDATE orders SET placed_at = placed_at - 86400000 WHERE id = {ann}"),
	one("to be paid before it was placed", audit.CheckState, "{cid}", "UPDATE orders SET pay_by = placed_at - 1 WHERE id = {cid}"),
	one("to be paid after the departure", audit.CheckState, "{ann}", "UPDATE orders SET pay_by = {now} + 864000000 WHERE id = {ann}"),
	one("paid at no time", audit.CheckState, "{bob}", "UPDATE orders SET paid_at = NULL WHERE id = {bob}"),
	one("on hold, paid at some time", audit.CheckState, "{ann}", "UPDATE orders SET paid_at = placed_at + 1 WHERE id = {ann}"),
	one("paid too late", audit.CheckState, "{bob}", "UPDATE orders SET paid_at = pay_by WHERE id = {bob}"),
	one("paid before it was placed", audit.CheckState, "{bob}", "UPDATE orders SET paid_at = placed_at - 3600000 WHERE id = {bob}"),
	one("ended at no time", audit.CheckState, "{cid}", "UPDATE orders SET ended_at = NULL WHERE id = {cid}"),
	one("on hold, ended at some time", audit.CheckState, "{ann}", "UPDATE orders SET ended_at = placed_at + 1 WHERE id = {ann}"),
	one("ended before it was placed", audit.CheckState, "{cid}", "UPDATE orders SET ended_at = placed_at - 3600000 WHERE id = {cid}"),
	one("ended before it was paid", audit.CheckState, "{hal}", "UPDATE orders SET ended_at = placed_at - 3600000 WHERE id = {hal}"),
	one("expired before its time", audit.CheckState, "{dan}", "UPDATE orders SET ended_at = pay_by - 1 WHERE id = {dan}"),
	one("cancelled after its time", audit.CheckState, "{cid}", "UPDATE orders SET ended_at = pay_by + 1 WHERE id = {cid}"),
	one("paid, and cancelled for nothing", audit.CheckState, "{hal}", "UPDATE orders SET ended_at = ended_at + 1 WHERE id = {hal}"),
	one("paid with no key", audit.CheckState, "{bob}", "UPDATE orders SET pay_key = NULL WHERE id = {bob}"),
	one("paid with a key that is none", audit.CheckState, "{bob}", "UPDATE orders SET pay_key = 'a key' WHERE id = {bob}"),
	one("on hold with the key of a payment", audit.CheckState, "{ann}", "UPDATE orders SET pay_key = 'pay-00000001' WHERE id = {ann}"),
	one("less than no attempt", audit.CheckOrder, "{ann}", "UPDATE orders SET pay_attempts = -1 WHERE id = {ann}"),
	one("placed at another version than its id says", audit.CheckVersion, "{ann}", "UPDATE orders SET placed_run_version = placed_run_version + 1 WHERE id = {ann}"),
	one("placed before anything could be sold", audit.CheckVersion, "{ann}", "UPDATE orders SET placed_run_version = 1 WHERE id = {ann}"),
	one("placed at a version to come", audit.CheckVersion, "{ann}", "UPDATE orders SET placed_run_version = 9000000 WHERE id = {ann}"),
	one("ended at no version", audit.CheckState, "{cid}", "UPDATE orders SET ended_run_version = NULL WHERE id = {cid}"),
	one("on hold, ended at some version", audit.CheckState, "{ann}", "UPDATE orders SET ended_run_version = placed_run_version + 1 WHERE id = {ann}"),
	one("ended at the version it was placed at", audit.CheckVersion, "{cid}", "UPDATE orders SET ended_run_version = placed_run_version WHERE id = {cid}"),
	one("ended at a version to come", audit.CheckVersion, "{cid}", "UPDATE orders SET ended_run_version = 9000000 WHERE id = {cid}"),
	one("long overdue", audit.CheckOverdue, "{iva}", "UPDATE orders SET placed_at = {now} - 7200000, pay_by = {now} - 3600000 WHERE id = {iva}"),

	one("a ticket of another run", audit.CheckOrphan, "{ann}", "UPDATE tickets SET run_id = {D} WHERE order_id = {ann}"),
	one("a ticket of no order", audit.CheckOrphan, "x", "UPDATE tickets SET order_id = 'x' WHERE order_id = {ann}"),
	one("an order without tickets", audit.CheckTicket, "{ann}", "DELETE FROM tickets WHERE order_id = {ann}"),
	one("an ended order without tickets", audit.CheckTicket, "{cid}", "DELETE FROM tickets WHERE order_id = {cid}"),
	one("a ticket that is missing", audit.CheckMoney, "{bob}", "DELETE FROM tickets WHERE order_id = {bob} AND n = 1"),
	one("a gap in the numbers of tickets", audit.CheckTicket, "{bob}", "UPDATE tickets SET n = 5 WHERE order_id = {bob} AND n = 1"),
	one("a class that is none", audit.CheckTicket, "{ann}", "UPDATE tickets SET seat_class = 'ROOF' WHERE order_id = {ann}"),
	one("a class its price is not of", audit.CheckMoney, "{ann}", "UPDATE tickets SET seat_class = 'HARD_SEAT', coach = '3', seat = '23A', seat_index = 0 WHERE order_id = {ann}"),
	one("less than the first seat", audit.CheckTicket, "{ann}", "UPDATE tickets SET seat_index = -1 WHERE order_id = {ann}"),
	one("more than the last seat", audit.CheckTicket, "{ann}", "UPDATE tickets SET seat_index = 12 WHERE order_id = {ann}"),
	one("another seat of an ended order", audit.CheckTicket, "{cid}", "UPDATE tickets SET seat_index = seat_index + 1 WHERE order_id = {cid}"),
	one("another coach", audit.CheckTicket, "{ann}", "UPDATE tickets SET coach = '3' WHERE order_id = {ann}"),
	one("another label", audit.CheckTicket, "{ann}", "UPDATE tickets SET seat = '23B' WHERE order_id = {ann}"),
	one("a seat sold twice", audit.CheckOverlap, "{A}",
		"UPDATE tickets SET seat_index = {seat of ann}, coach = '4', seat = {label of ann} WHERE order_id = {bob} AND n = 1"),
	one("a seat sold while a cancelled order had it", audit.CheckOverlap, "{A}",
		"UPDATE tickets SET seat_index = {seat of ann}, coach = '4', seat = {label of ann} WHERE order_id = {cid}"),
	{
		"a seat sold twice on a run that cannot be read", []string{
			"UPDATE tickets SET seat_index = {seat of ann}, coach = '4', seat = {label of ann} WHERE order_id = {bob} AND n = 1",
			"UPDATE runs SET train_id = 'x' WHERE id = {A}",
		}, audit.CheckOverlap, "{A}", "", "",
	},
	one("another price", audit.CheckMoney, "{ann}", "UPDATE tickets SET price_minor = price_minor + 1 WHERE order_id = {ann}"),
	{
		"another price and total",
		[]string{"UPDATE tickets SET price_minor = 1 WHERE order_id = {jon}", "UPDATE orders SET total_minor = 1 WHERE id = {jon}"},
		audit.CheckMoney, "", "{jon}", "",
	},
	one("another currency of a ticket", audit.CheckMoney, "{ann}", "UPDATE tickets SET currency = 'JPY' WHERE order_id = {ann}"),
	one("a document twice on a leg", audit.CheckDocument, "{A}", "UPDATE tickets SET document = {document of ann} WHERE order_id = {bob} AND n = 1"),
	one("a document twice in an order", audit.CheckDocument, "{bob}", "UPDATE tickets SET document = 'x' WHERE order_id = {bob}"),
	one("a document twice while a cancelled order had it", audit.CheckDocument, "{A}", "UPDATE tickets SET document = {document of ann} WHERE order_id = {cid}"),
	one("another document", audit.CheckPersonal, "{ann}", "UPDATE tickets SET document = 'x' WHERE order_id = {ann}"),
	one("no document", audit.CheckDocument, "{ann}", "UPDATE tickets SET document = '' WHERE order_id = {ann}"),

	one("a train that was changed", audit.CheckTrain, "train {train of A}", "UPDATE trains SET document = '{}' WHERE id = '{train of A}'"),
	one("a run whose train was changed", audit.CheckRun, "{A}", "UPDATE trains SET document = '{}' WHERE id = '{train of A}'"),
	one("a train with another id", audit.CheckTrain, "train x", "UPDATE trains SET id = 'x' WHERE id = '{train of A}'"),
	one("a train without its formation", audit.CheckTrain, "train {train of A}", "UPDATE trains SET formation_id = 'x' WHERE id = '{train of A}'"),
	one("a train that is missing", audit.CheckRun, "{A}", "DELETE FROM trains WHERE id = '{train of A}'"),
	{"a train that goes nowhere", []string{"INSERT INTO trains (id, formation_id, document) VALUES ({broken train})"}, audit.CheckTrain, "", "", "train {broken id}"},
	{
		"a run whose train goes nowhere", []string{
			"INSERT INTO trains (id, formation_id, document) VALUES ({broken train})", "UPDATE runs SET train_id = '{broken id}' WHERE id = {A}",
		}, audit.CheckRun, "{A}", "", "",
	},
	one("a formation that was changed", audit.CheckTrain, "formation", "UPDATE formations SET document = '[]'"),
	one("a formation with another id", audit.CheckTrain, "formation x", "UPDATE formations SET id = 'x' WHERE id = '{formation of A}'"),
	one("a formation without seats", audit.CheckTrain, "formation {empty formation}", "INSERT INTO formations (id, document) VALUES ('{empty formation}', '[]')"),
	one("a station with another code", audit.CheckStation, "station XXX", "UPDATE stations SET code = 'XXX' WHERE code = 'TJP'"),
	one("a station that is missing", audit.CheckStation, "station TJP", "DELETE FROM stations WHERE code = 'TJP'"),
	one("a station that cannot be read", audit.CheckStation, "station TJP", "UPDATE stations SET document = 'x' WHERE code = 'TJP'"),
	one("a station in no time zone", audit.CheckStation, "station TJP", `UPDATE stations SET document = '{"code":"TJP","name":"T","timeZone":"Mars"}' WHERE code = 'TJP'`),
	one("a station without its publication", audit.CheckPublication, "station TJP", "UPDATE stations SET publication = 999 WHERE code = 'TJP'"),

	one("a publication that is missing", audit.CheckPublication, "publication 3", "DELETE FROM publications WHERE number = 2"),
	one("a publication with another number", audit.CheckPublication, "publication 998", "UPDATE publications SET number = 998 WHERE number = 1"),
	one("a publication too many", audit.CheckPublication, "publication 999", "INSERT INTO publications (number, at, who, what, reason, runs) VALUES (999, 1, 'x', 'STATIONS', '', '')"),
	one("published tomorrow", audit.CheckPublication, "publication 1", "UPDATE publications SET at = {now} + 86400000 WHERE number = 1"),
	one("published never", audit.CheckPublication, "publication 1", "UPDATE publications SET at = 0 WHERE number = 1"),
	one("published before those before it", audit.CheckPublication, "publication 2", "UPDATE publications SET at = at - 86400000 WHERE number = 2"),
	one("did nothing", audit.CheckPublication, "publication 1", "UPDATE publications SET what = 'NOTHING' WHERE number = 1"),
	one("did something else", audit.CheckPublication, "publication 1", "UPDATE publications SET what = 'PUBLISH' WHERE number = 1"),
	one("a publication of no runs", audit.CheckPublication, "publication {published}", "UPDATE publications SET runs = '' WHERE number = {published}"),
	one("a publication of other runs", audit.CheckPublication, "publication {published}", "UPDATE publications SET runs = 'T99@2030-01-01' WHERE number = {published}"),
	one("numbers that go back", audit.CheckPublication, "counter publication", "UPDATE counters SET value = value - 1"),
	one("numbers that run ahead", audit.CheckPublication, "counter publication", "UPDATE counters SET value = value + 1"),
	one("no number", audit.CheckPublication, "counter publication", "DELETE FROM counters"),
	one("a number of something else", audit.CheckPublication, "counter publication", "UPDATE counters SET name = 'x'"),

	one("asked without a buyer", audit.CheckAsked, "asked_documents", "UPDATE asked_documents SET buyer = ''"),
	one("asked for nothing", audit.CheckAsked, "asked_documents", "UPDATE asked_documents SET document = ''"),
	one("asked tomorrow", audit.CheckAsked, "asked_documents", "UPDATE asked_documents SET at = {now} + 86400000"),
	one("asked and not forgotten", audit.CheckAsked, "asked_documents", "UPDATE asked_documents SET at = {now} - 864000000"),
	one("asked of no run", audit.CheckOrphan, "asked_documents", "UPDATE asked_documents SET run_id = 'T99@2030-01-01'"),

	one("forgotten, and the passenger is there", audit.CheckPersonal, "{ann}", "UPDATE orders SET erased_at = {now} WHERE id = {ann}"),
	one("forgotten before the run was over", audit.CheckPersonal, "{A}", "UPDATE runs SET erased_at = {now} WHERE id = {A}"),
	one("erased tomorrow", audit.CheckState, "{lou}", "UPDATE orders SET erased_at = {now} + 86400000 WHERE id = {lou}"),
	one("not forgotten with its run", audit.CheckPersonal, "{lou}", "UPDATE orders SET erased_at = NULL WHERE id = {lou}"),
	one("an order behind its erasure", audit.CheckVersion, "{lou}", "UPDATE orders SET version = 2 WHERE id = {lou}"),
	one("a digest of a request that is missing", audit.CheckPersonal, "{ann}", "UPDATE orders SET body_hash = '' WHERE id = {ann}"),
	one("a digest of a request that was forgotten", audit.CheckPersonal, "{lou}", "UPDATE orders SET body_hash = 'x' WHERE id = {lou}"),
	one("a digest of a document that was forgotten", audit.CheckPersonal, "{lou}", "UPDATE tickets SET document = 'x' WHERE order_id = {lou}"),
	one("a passenger that is missing", audit.CheckPersonal, "{ann}", "UPDATE tickets SET personal = NULL WHERE order_id = {ann}"),
	one("a passenger that cannot be opened", audit.CheckPersonal, "{ann}", "UPDATE tickets SET personal = 'x' WHERE order_id = {ann}"),
	one("a passenger of no key", audit.CheckPersonal, "{ann}", "UPDATE tickets SET personal_key = NULL WHERE order_id = {ann}"),
	one("a key that is not noted", audit.CheckPersonal, "personal_keys", "DELETE FROM personal_keys"),
	one("a record of no order", audit.CheckOrphan, "order_records", "UPDATE order_records SET order_id = 'x'"),
	one("a record of another run", audit.CheckOrphan, "order_records", "UPDATE order_records SET run_id = {D}"),
	one("a record that is missing", audit.CheckVersion, "{ann}", "DELETE FROM order_records"),
	one("a record of a version to come", audit.CheckRecord, "{ann}", "UPDATE order_records SET version = 99"),
	one("a record without an admin", audit.CheckRecord, "{ann}", "UPDATE order_records SET who = ''"),
	one("a record of nothing", audit.CheckRecord, "{ann}", "UPDATE order_records SET what = 'nothing'"),
	one("a record of tomorrow", audit.CheckRecord, "{ann}", "UPDATE order_records SET at = {now} + 86400000"),

	one("another row of the cluster", audit.CheckCluster, "cluster", "UPDATE cluster SET id = 2"),
	one("two rows of the cluster", audit.CheckCluster, "cluster", "INSERT INTO cluster (id, epoch, primary_member, opened_at) VALUES (2, 1, 'db1:3306', 1)"),
	one("no epoch", audit.CheckCluster, "cluster", "UPDATE cluster SET epoch = 0"),
	one("a primary that does not count", audit.CheckCluster, "cluster", "UPDATE cluster SET primary_member = 'db3:3306'"),
	one("opened tomorrow", audit.CheckCluster, "cluster", "UPDATE cluster SET opened_at = {now} + 86400000"),
	one("a member that is missing", audit.CheckCluster, "cluster", "DELETE FROM cluster_members WHERE member = 'db1:3306'"),
	one("a member with another name", audit.CheckCluster, "cluster", "UPDATE cluster_members SET member = 'db9:3306' WHERE member = 'db1:3306'"),
	one("a state of a member that is none", audit.CheckCluster, "member db2:3306", "UPDATE cluster_members SET state = 'GONE' WHERE member = 'db2:3306'"),
	one("one server as two members", audit.CheckCluster, "member db2:3306", "UPDATE cluster_members SET server_uuid = 'u1' WHERE member = 'db2:3306'"),
	one("a member since tomorrow", audit.CheckCluster, "member db2:3306", "UPDATE cluster_members SET since = {now} + 86400000 WHERE member = 'db2:3306'"),
}

// believed are the columns that nothing is held against; personal_keys.check_value is looked at by every command before
// anything else. Nor is anything held against runs.sale_opens_at of a run without orders.
var believed = []string{
	"publications.who", "publications.reason", "cluster_members.by_whom", "cluster_members.reason", "personal_keys.id", "personal_keys.check_value",
	"personal_keys.since", "personal_keys.retired_at", "order_records.reason",
}

// TestPlanted_EveryColumn finds the column that a statement writes, in any table that there is.
func TestPlanted_EveryColumn(t *testing.T) {
	options := sqlledger.Options{Path: filepath.Join(t.TempDir(), "ledger.db")}
	require.NoError(t, sqlledger.Migrate(t.Context(), options))
	rows, err := ledgertest.DB(t, options).QueryContext(t.Context(), "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c "+
		"WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE 'goose%'")
	require.NoError(t, err)
	defer rows.Close()
	tables := map[string]bool{}
	for rows.Next() {
		var table, column string
		require.NoError(t, rows.Scan(&table, &column))
		tables[table] = true
		writes := regexp.MustCompile(`^UPDATE ` + table + ` SET (.*, )?` + column + ` = `)
		planted := slices.ContainsFunc(plantedInLedger, func(p planted) bool { return slices.ContainsFunc(p.statements, writes.MatchString) })
		assert.NotEqual(t, slices.Contains(believed, table+"."+column), planted, "%s.%s", table, column)
	}
	require.NoError(t, rows.Err())
	require.ElementsMatch(t, storyTables, slices.Collect(maps.Keys(tables)))
}

// story is a ledger in which everything has happened that may: sold, paid, cancelled, expired, refused, suspended,
// resumed, withdrawn, published anew, jumped; with changes of seats that are not in the maps, and a hold that fell due a
// minute ago.
type story struct {
	t        *testing.T
	r        *running
	options  sqlledger.Options
	db       *sql.DB
	replacer *strings.Replacer
	// idle is what verify is told.
	idle bool
}

func tellStory(t *testing.T, settings *Settings) *story {
	r := start(t, settings)
	s := &story{t: t, r: r, options: sealingOptions(t, settings), db: ledgertest.DB(t, ledgerOptions(settings))}
	ids := map[string]string{"A": r.publishT12(t)}
	for name, number := range map[string]string{"B": "T14", "C": "T16", "D": "T18", "E": "T20"} {
		ids[name] = s.publish(map[string]any{"number": number})
	}
	orders, tickets := map[string]string{}, map[string]string{}
	buy := func(who, run, to string, documents ...string) string {
		t.Helper()
		input := change(orderInput(ids[run], "key-of-"+who, ""), map[string]any{"to": to})
		var passengers []any
		for _, document := range documents {
			passengers = append(passengers, map[string]any{"name": "A Passenger", "documentNumber": document, "seatClass": "HARD_SLEEPER"})
		}
		input["passengers"] = passengers
		a := r.ask(t, r.token(t, who, rail.RolePassenger), placeOrderMutation, map[string]any{"i": input})
		if a.at(t, "placeOrder.order.id") == nil {
			return a.at(t, "placeOrder.userErrors.0.code").(string)
		}
		orders[who] = a.at(t, "placeOrder.order.id").(string)
		tickets[who] = a.at(t, "placeOrder.order.tickets.0.id").(string)
		return ""
	}
	do := func(who, mutation string, input map[string]any) {
		t.Helper()
		input["orderId"] = orders[who]
		a := r.ask(t, r.token(t, who, rail.RolePassenger), mutation, map[string]any{"i": input})
		require.NotContains(t, string(a.Data), `"code"`)
		require.Empty(t, a.Errors)
	}
	decide := func(mutation, run string) {
		t.Helper()
		a := r.ask(t, r.admin, `mutation($r:ID!){m:`+mutation+`{userErrors{code}}}`, map[string]any{"r": ids[run]})
		require.Equal(t, `{"m":{"userErrors":[]}}`, string(a.Data))
	}

	require.Empty(t, buy("dan", "A", "SHH", "D0000001"))
	ledgertest.Age(t, s.options, s.one("SELECT id FROM orders WHERE buyer = 'dan'"))
	require.Eventually(t, func() bool { return s.one("SELECT state FROM orders WHERE buyer = 'dan'") == "EXPIRED" }, healsIn, 20*time.Millisecond)
	require.Empty(t, buy("iva", "C", "SHH", "D0000002"))
	require.Empty(t, buy("cid", "A", "SHH", "D0000003"))
	require.Empty(t, buy("ann", "A", "SHH", "D0000004"))
	do("cid", cancelOrderMutation, map[string]any{"reason": "rain"})
	require.Equal(t, "ALREADY_TRAVELLING", buy("fay", "A", "SHH", "D0000004"))
	require.Empty(t, buy("eve", "A", "TJP", "D0000005"))
	a := r.ask(t, r.admin, `mutation($i:CorrectPassengerNameInput!){correctPassengerName(input:$i){userErrors{code}}}`,
		map[string]any{"i": map[string]any{"ticketId": tickets["ann"], "name": "B Passenger", "reason": "typing"}})
	require.Equal(t, `{"correctPassengerName":{"userErrors":[]}}`, string(a.Data))
	_, err := ledgertest.Open(t, s.options).JumpVersions(t.Context())
	require.NoError(t, err)
	require.Empty(t, buy("bob", "A", "SHH", "D0000006", "D0000007"))
	do("bob", payOrderMutation, map[string]any{"idempotencyKey": "pay-of-bob"})
	require.Empty(t, buy("gus", "B", "SHH", "D0000008"))
	require.Empty(t, buy("hal", "B", "SHH", "D0000009"))
	do("hal", payOrderMutation, map[string]any{"idempotencyKey": "pay-of-hal"})
	decide(`withdrawRun(input:{runId:$r,reason:"snow",cancelOrders:true})`, "B")
	decide(`suspendRun(input:{runId:$r,reason:"snow"})`, "C")
	decide(`suspendRun(input:{runId:$r,reason:"snow"})`, "E")
	decide(`resumeRun(input:{runId:$r,reason:"sun"})`, "E")
	require.Empty(t, buy("jon", "D", "SHH", "D0000010"))
	do("jon", cancelOrderMutation, map[string]any{})
	fares := change(trainInput()["fares"].(map[string]any), map[string]any{"roundTo": "1.00"})
	require.Equal(t, ids["D"], s.publish(map[string]any{"number": "T18", "fares": fares}))
	require.Empty(t, buy("kim", "D", "SHH", "D0000010"))
	a = r.ask(t, r.admin, publishStationMutation, map[string]any{"i": map[string]any{"code": "TJP", "name": "天津站", "timeZone": "Asia/Shanghai"}})
	require.Empty(t, a.at(t, "publishStation.userErrors"), "%s", a.Data)
	r.stop()

	s.forgotten()
	now := time.Now().UnixMilli()
	s.exec("UPDATE orders SET placed_at = ? - 960000, pay_by = ? - 60000 WHERE buyer = 'iva'", now, now)
	s.exec("INSERT INTO cluster (id, epoch, primary_member, opened_at) VALUES (1, 3, 'db1:3306', ?)", now)
	for member, state := range map[string]string{"db1:3306": "COUNTS", "db2:3306": "COUNTS", "db3:3306": "EXCLUDED"} {
		s.exec("INSERT INTO cluster_members (member, state, server_uuid, since, by_whom, reason) VALUES (?, ?, ?, ?, 'failover', '')", member, state, "u"+member[2:3], now)
	}
	s.name(now)
	return s
}

// sealingOptions are those of a ledger with its keys.
func sealingOptions(t *testing.T, settings *Settings) sqlledger.Options {
	t.Helper()
	o := ledgerOptions(settings)
	require.NoError(t, addKeys(&o, settings))
	return o
}

// forgotten is a run of years ago on which an order was cancelled, and its passengers forgotten.
func (s *story) forgotten() {
	t := s.t
	train := ledgertest.NewTrain("K1")
	past := ledgertest.NewRun(train, rail.NewDate(2019, 10, 12))
	l := ledgertest.Open(t, s.options)
	_, err := l.Publish(t.Context(), []*rail.Run{past}, "boss", false)
	require.NoError(t, err)
	ledgertest.PutStations(t, l, train)
	at, price := past.Departure(0).UnixMilli()-86_400_000, int64(13_800)
	s.exec("INSERT INTO orders (run_id, id, number, buyer, idempotency_key, body_hash, version, state, state_reason, train_id, from_call, to_call, "+
		"total_minor, currency, placed_at, pay_by, ended_at, pay_attempts, placed_run_version, ended_run_version) "+
		"VALUES (?, ?, 'L', 'lou', 'key-of-lou', 'x', 2, 'CANCELLED', 'rain', ?, 0, 3, ?, 'CNY', ?, ?, ?, 0, 2, 3)",
		string(past.ID), rail.NewOrderID(past.ID, 2, "lou"), train.ID, price, at, at+900_000, at+60_000)
	s.exec("INSERT INTO tickets (run_id, order_id, n, seat_class, seat_index, coach, seat, price_minor, currency, document) "+
		"VALUES (?, ?, 0, 'SECOND', 0, '1', '1A', ?, 'CNY', 'x')", string(past.ID), rail.NewOrderID(past.ID, 2, "lou"), price)
	s.exec("UPDATE runs SET version = 3 WHERE id = ?", string(past.ID))
	for _, want := range [][2]int{{1, 0}, {0, 1}} {
		orders, runs, err := l.ForgetOver(t.Context(), 24*time.Hour)
		require.NoError(t, err)
		require.Equal(t, want, [2]int{orders, runs})
	}
}

// publish publishes T12 with some changes.
func (s *story) publish(changes map[string]any) (run string) {
	a := s.r.ask(s.t, s.r.admin, publishTrainMutation, map[string]any{"i": change(trainInput(), changes)})
	require.Empty(s.t, a.at(s.t, "publishTrain.userErrors"), "%s", a.Data)
	return a.at(s.t, "publishTrain.runs.0.id").(string)
}

// name makes what stands for rows in statements.
func (s *story) name(now int64) {
	names := []string{"{now}", fmt.Sprint(now)}
	for name, number := range map[string]string{"A": "T12", "B": "T14", "C": "T16", "D": "T18", "E": "T20"} {
		id := string(rail.NewRunID(number, mustDate(s.t, day())))
		names = append(names, "{"+name+"}", "'"+id+"'", "{"+strings.ToLower(name)+"}", id)
	}
	for _, who := range []string{"ann", "bob", "cid", "dan", "gus", "hal", "iva", "jon", "kim", "lou"} {
		names = append(names, "{"+who+"}", "'"+s.one("SELECT id FROM orders WHERE buyer = ?", who)+"'")
	}
	seat := "SELECT %s FROM tickets t JOIN orders o ON o.id = t.order_id WHERE o.buyer = 'ann'"
	broken := rail.NewTrain("T0", "", "UTC", []rail.Call{{Station: "BJP", Metres: 9}, {Station: "SHH", Metres: 1}},
		rail.NewFormation([]rail.Coach{{Number: "1", SeatClass: rail.HardSleeper, Seats: []rail.Seat{{Label: "1"}}}}), &rail.Fares{
			Currency: "CNY", PerKm: []rail.KmRate{{SeatClass: rail.HardSleeper, MicrosPerKm: 1e12}},
		})
	document, err := broken.Document()
	require.NoError(s.t, err)
	formation := s.one("SELECT formation_id FROM trains JOIN runs r ON r.train_id = trains.id WHERE r.train_number = 'T12'")
	s.replacer = strings.NewReplacer(append(names,
		"{seat of ann}", s.one(fmt.Sprintf(seat, "t.seat_index")), "{label of ann}", "'"+s.one(fmt.Sprintf(seat, "t.seat"))+"'",
		"{document of ann}", "'"+s.one(fmt.Sprintf(seat, "t.document"))+"'",
		"{train of A}", s.one("SELECT train_id FROM runs WHERE train_number = 'T12'"), "{formation of A}", formation,
		"{published}", s.one("SELECT publication FROM runs WHERE train_number = 'T12'"),
		"{changed}", s.one("SELECT publication FROM runs WHERE train_number = 'T18'"),
		"{empty formation}", rail.NewFormation([]rail.Coach{}).ID, "{broken id}", broken.ID,
		"{broken train}", fmt.Sprintf("'%s', '%s', '%s'", broken.ID, formation, document),
	)...)
}

// one is the one value that a query answers.
func (s *story) one(query string, args ...any) (value string) {
	s.t.Helper()
	require.NoError(s.t, s.db.QueryRowContext(s.t.Context(), query, args...).Scan(&value), query)
	return value
}

func (s *story) exec(statement string, args ...any) {
	s.t.Helper()
	result, err := s.db.ExecContext(s.t.Context(), statement, args...)
	require.NoError(s.t, err, statement)
	n, err := result.RowsAffected()
	require.NoError(s.t, err)
	require.NotZero(s.t, n, "nothing was planted: %s", statement)
}

// verify verifies the ledger as if servers ran, unless it is idle.
func (s *story) verify() *audit.Report {
	s.t.Helper()
	l, err := sqlledger.Open(s.t.Context(), s.options)
	require.NoError(s.t, err)
	report, err := (&audit.Auditor{Ledger: l, Idle: s.idle, Log: slog.New(slog.DiscardHandler)}).Verify(s.t.Context())
	require.NoError(s.t, err)
	require.NoError(s.t, l.Close())
	return report
}

// storyTables are all tables of the ledger.
var storyTables = []string{
	"runs", "seat_maps", "seat_changes", "orders", "tickets", "asked_documents", "trains", "formations", "stations", "publications", "counters",
	"cluster", "cluster_members", "personal_keys", "order_records",
}

// keep copies every row; restore puts all of them back.
func (s *story) keep() (restore func()) {
	type table struct {
		name    string
		columns []string
		rows    [][]any
	}
	var tables []table
	for _, name := range storyTables {
		rows, err := s.db.QueryContext(s.t.Context(), "SELECT * FROM "+name)
		require.NoError(s.t, err)
		kept := table{name: name}
		kept.columns, err = rows.Columns()
		require.NoError(s.t, err)
		for rows.Next() {
			row := make([]any, len(kept.columns))
			into := make([]any, len(row))
			for i := range row {
				into[i] = &row[i]
			}
			require.NoError(s.t, rows.Scan(into...))
			kept.rows = append(kept.rows, row)
		}
		require.NoError(s.t, rows.Err())
		require.NoError(s.t, rows.Close())
		tables = append(tables, kept)
	}
	return func() {
		tx, err := s.db.BeginTx(context.Background(), nil)
		require.NoError(s.t, err)
		for _, kept := range tables {
			_, err := tx.ExecContext(context.Background(), "DELETE FROM "+kept.name)
			require.NoError(s.t, err)
			marks := "(?" + strings.Repeat(", ?", len(kept.columns)-1) + ")"
			for _, row := range kept.rows {
				_, err := tx.ExecContext(context.Background(), "INSERT INTO "+kept.name+" ("+strings.Join(kept.columns, ", ")+") VALUES "+marks, row...)
				require.NoError(s.t, err)
			}
		}
		require.NoError(s.t, tx.Commit())
	}
}

// TestVerify_FindsEverythingThatARowSaysWrongly plants what each column can say wrongly, one after the other, into a
// ledger in which everything has happened that may, and in which verify finds nothing.
func TestVerify_FindsEverythingThatARowSaysWrongly(t *testing.T) {
	for _, flavor := range settingsFlavors {
		t.Run(flavor.name, func(t *testing.T) {
			s := tellStory(t, flavor.settings(t))
			require.Equal(t, &audit.Report{OK: true, Runs: 6, Tickets: 6, Defects: []audit.Defect{}}, s.verify(), "what is right is not called wrong")
			restore := s.keep()
			for _, p := range plantedInLedger {
				t.Run(p.name, func(t *testing.T) {
					for _, statement := range p.statements {
						s.exec(s.replacer.Replace(statement))
					}
					defer restore()
					report := s.verify()
					require.False(t, report.OK)
					said, err := json.Marshal(report)
					require.NoError(t, err)
					for _, personal := range []string{"A Passenger", "B Passenger", "D00000", `"ann"`, `"bob"`} {
						require.NotContains(t, string(said), personal)
					}
					require.True(t, s.found(report, &p), "no finding %q of run %q, order %q, row %q among %s", p.check, p.run, p.order, p.row, said)
				})
			}
			require.True(t, s.verify().OK)

			s.exec(s.replacer.Replace("UPDATE orders SET placed_at = {now} - 7200000, pay_by = {now} - 3600000 WHERE id = {iva}"))
			s.exec(s.replacer.Replace("UPDATE asked_documents SET at = {now} - 864000000"))
			s.idle = true
			require.True(t, s.verify().OK, "no hold is late where no server runs")
		})
	}
}

// TestVerify_CallsNothingWrongThatIsUnderWay verifies again and again while a server publishes, sells, is paid,
// cancels, suspends, resumes and withdraws.
func TestVerify_CallsNothingWrongThatIsUnderWay(t *testing.T) {
	for _, flavor := range settingsFlavors {
		t.Run(flavor.name, func(t *testing.T) {
			settings := flavor.settings(t)
			r := start(t, settings)
			s := &story{t: t, r: r, options: sealingOptions(t, settings)}
			r.publishT12(t)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := range 25 {
					s.bustle(i)
				}
			}()
			times := 0
			for over := false; !over; times++ {
				select {
				case <-done:
					over = true
				default:
				}
				report := s.verify()
				require.True(t, report.OK, "%+v", report.Defects)
			}
			require.Greater(t, times, 5, "this proves nothing")
		})
	}
}

// bustle has a little of everything done at once on a new run.
func (s *story) bustle(i int) {
	r, t := s.r, s.t
	post := func(token, query string, variables map[string]any) *answer { return r.ask(t, token, query, variables) }
	post(r.admin, publishStationMutation, map[string]any{"i": map[string]any{"code": "TJP", "name": fmt.Sprint("天津", i), "timeZone": "Asia/Shanghai"}})
	published := post(r.admin, publishTrainMutation, map[string]any{"i": change(trainInput(), map[string]any{"number": fmt.Sprint("X", i)})})
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
				post(who, payOrderMutation, map[string]any{"i": map[string]any{"orderId": order, "idempotencyKey": "pay-of-order"}})
			} else {
				post(who, cancelOrderMutation, map[string]any{"i": map[string]any{"orderId": order}})
			}
		})
	}
	all.Go(func() {
		for _, decision := range []string{`suspendRun(input:{runId:$r,reason:"snow"})`, `resumeRun(input:{runId:$r,reason:"sun"})`} {
			post(r.admin, `mutation($r:ID!){m:`+decision+`{userErrors{code}}}`, map[string]any{"r": run})
		}
	})
	all.Wait()
	if i%3 == 0 {
		post(r.admin, `mutation($r:ID!){m:withdrawRun(input:{runId:$r,reason:"snow",cancelOrders:true}){userErrors{code}}}`, map[string]any{"r": run})
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

// found tells whether a report has what was planted.
func (s *story) found(report *audit.Report, p *planted) bool {
	name := func(text string) string { return strings.Trim(s.replacer.Replace(text), "'") }
	for _, d := range report.Defects {
		inRow := d.Row == name(p.row) || string(d.Run) == name(p.row) || d.Order == name(p.row) || p.row == "formation" && strings.HasPrefix(d.Row, p.row)
		if d.Check == p.check && (p.run == "" || string(d.Run) == name(p.run)) && (p.order == "" || d.Order == name(p.order)) && (p.row == "" || inRow) {
			return true
		}
	}
	return false
}
