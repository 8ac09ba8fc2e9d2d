package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/audit"
	"interlock/services/rail"
	"interlock/services/sale"
)

// rule is one of verify's about tickets that were given back or changed: the check, and how it says so in the source.
// where is what the finding has to name, and sql plants what it has to find: see planted.
type rule struct{ check, says, where, sql string }

// planted is the rule as all that is planted is.
func (r *rule) planted() planted {
	return planted{name: r.says, check: r.check, where: r.where, sql: r.sql}
}

// verbs are those of a format.
var verbs = regexp.MustCompile(`%[a-z]`)

// foundBy tells whether a finding is the rule's.
func (r *rule) foundBy(h *history, d *audit.Defect) bool {
	p := r.planted()
	says := regexp.MustCompile(verbs.ReplaceAllString(regexp.QuoteMeta(r.says), ".*"))
	return says.MatchString(d.Message) && h.found(&audit.Report{Defects: []audit.Defect{*d}}, &p)
}

// rulesOfTickets are all such rules. Pia gave one of two tickets back. Quy changed a ticket to the order {new}, which
// is cheaper.
var rulesOfTickets = []rule{
	// The tickets' own states.
	{
		audit.CheckTicket, "its own state is %q, and it ended at the version %d", "{pia}",
		`UPDATE tickets SET own_state = '' WHERE order_id = {pia} AND n = 0`,
	},
	{
		audit.CheckTicket, "its own state is %q, and it ended at the version %d", "{quy}",
		`UPDATE tickets SET own_state = 'CHANGING' WHERE order_id = {quy}`,
	},
	{
		audit.CheckTicket, "it is %s, and ended at the version %d; its order was placed at %d and ended at %d", "{pia}",
		`UPDATE tickets SET ended_run_version = 1 WHERE order_id = {pia} AND n = 0`,
	},
	{
		audit.CheckTicket, "it is %s, and ended at the version %d; its order was placed at %d and ended at %d", "{pia}",
		`UPDATE tickets SET ended_run_version = NULL WHERE order_id = {pia} AND n = 0`,
	},
	{
		audit.CheckTicket, "it is %s, and ended at the version %d; its order was placed at %d and ended at %d", "{quy}",
		`UPDATE tickets SET ended_run_version = ended_run_version + 1 WHERE order_id = {quy}`,
	},
	{
		audit.CheckTicket, "its own state is %q, which is none", "{pia}",
		`UPDATE tickets SET own_state = 'GONE' WHERE order_id = {pia} AND n = 0`,
	},
	{
		audit.CheckTicket, "it is %s, and its order was never paid", "{pia}",
		`UPDATE orders SET paid_at = NULL WHERE id = {pia}`,
	},
	{
		audit.CheckTicket, "it is %s, and its order was never paid", "{quy}",
		`UPDATE orders SET paid_at = NULL WHERE id = {quy}`,
	},
	{
		audit.CheckState, "it is %s, and %d of its tickets were not given back", "{pia}",
		`UPDATE orders SET state = 'RETURNED' WHERE id = {pia}`,
	},
	{
		audit.CheckState, "it ended at the version %d, and the last of its tickets at %d", "{quy}",
		`UPDATE orders SET ended_run_version = ended_run_version + 1 WHERE id = {quy}`,
	},
	{
		audit.CheckState, "it is %s, and all of its tickets were given back", "{quy}",
		`UPDATE orders SET state = 'PAID', ended_at = NULL, ended_run_version = NULL WHERE id = {quy}`,
	},

	// Their seats.
	{
		audit.CheckMap, "leg %d is sold in the map, and no live ticket has it", "{H}",
		`UPDATE tickets SET own_state = 'REFUNDED', ended_run_version = 9 WHERE order_id = {pia} AND n = 1`,
	},
	{
		audit.CheckCapacity, "%s on leg %d: %d sold by the tickets and %d free by the map are not %d seats", "{H}",
		`UPDATE tickets SET own_state = 'REFUNDED', ended_run_version = 9 WHERE order_id = {pia} AND n = 1`,
	},
	{
		audit.CheckMap, "leg %d is sold in the map, and no live ticket has it", "{H}",
		`UPDATE tickets SET own_state = 'CHANGED', ended_run_version = 9 WHERE order_id = {pia} AND n = 1`,
	},
	{
		audit.CheckCapacity, "%s on leg %d: %d sold by the tickets and %d free by the map are not %d seats", "{H}",
		`UPDATE tickets SET own_state = 'CHANGED', ended_run_version = 9 WHERE order_id = {pia} AND n = 1`,
	},
	{
		audit.CheckMap, "leg %d is free in the map, and a live ticket has it", "{H}",
		`UPDATE tickets SET own_state = '' WHERE order_id = {pia} AND n = 0`,
	},
	{
		audit.CheckCapacity, "%s on leg %d: %d sold by the tickets and %d free by the map are not %d seats", "{H}",
		`UPDATE tickets SET own_state = '' WHERE order_id = {pia} AND n = 0`,
	},
	{
		audit.CheckMap, "leg %d is free in the map, and a live ticket has it", "{H}",
		`UPDATE tickets SET own_state = 'CHANGING' WHERE order_id = {pia} AND n = 0`,
	},
	{
		audit.CheckCapacity, "%s on leg %d: %d sold by the tickets and %d free by the map are not %d seats", "{H}",
		`UPDATE tickets SET own_state = 'CHANGING' WHERE order_id = {pia} AND n = 0`,
	},
	{
		audit.CheckOverlap, "at the version %d it took a seat on a leg on which order %s still had it", "{pia}",
		`UPDATE tickets SET seat_index = (SELECT * FROM (SELECT seat_index FROM tickets WHERE order_id =
			{pia} AND n = 1) t), seat = (SELECT * FROM (SELECT seat FROM tickets WHERE order_id = {pia} AND n =
			1) t), coach = (SELECT * FROM (SELECT coach FROM tickets WHERE order_id = {pia} AND n = 1) t) WHERE
			order_id = {pia} AND n = 0`,
	},
	{
		audit.CheckDocument, "at the version %d its document was on a leg on which order %s had it", "{pia}",
		`UPDATE tickets SET document = (SELECT * FROM (SELECT document FROM tickets WHERE order_id = {pia}
			AND n = 1) t) WHERE order_id = {pia} AND n = 0`,
	},

	// Versions and money of their orders.
	{
		audit.CheckVersion, "it is of the version %d, and its run is at %d", "{pia}",
		`UPDATE tickets SET ended_run_version = 9000000 WHERE order_id = {pia} AND n = 0`,
	},
	{
		audit.CheckVersion, "its version is %d, and what became of it makes it %d", "{pia}",
		`DELETE FROM refunds WHERE order_id = {pia}`,
	},
	{
		audit.CheckVersion, "its version is %d, and what became of it makes it %d", "{pia}",
		`UPDATE refunds SET paid_back_at = NULL WHERE order_id = {pia}`,
	},
	{
		audit.CheckVersion, "its version is %d, and what became of it makes it %d", "{quy}",
		`DELETE FROM changes WHERE order_id = {quy}`,
	},
	{
		audit.CheckVersion, "its version is %d, and what became of it makes it %d", "{quy}",
		`UPDATE orders SET version = version + 1 WHERE id = {quy}`,
	},
	{
		audit.CheckTicket, "it has %d tickets, and is what one ticket was changed to", "{new}",
		`DELETE FROM tickets WHERE order_id = {new}`,
	},
	{
		audit.CheckMoney, "%s was carried over to it, and it replaces no ticket", "{pia}",
		`UPDATE orders SET carried_minor = 100 WHERE id = {pia}`,
	},
	{
		audit.CheckMoney, "%s was carried over to it, and it costs %s", "{new}",
		`UPDATE orders SET carried_minor = total_minor + 1 WHERE id = {new}`,
	},
	{
		audit.CheckMoney, "%s was carried over to it, and it costs %s", "{new}",
		`UPDATE orders SET carried_minor = -1 WHERE id = {new}`,
	},
	{
		audit.CheckState, "it has the id of a payment: %t, and a time of one: %t", "{new}",
		`UPDATE orders SET carried_minor = carried_minor - 100 WHERE id = {new}`,
	},

	// Events of them.
	{
		audit.CheckEvent,
		"the order %s is %s at its version %d; it was placed at the version %d of its run, and ended at %d",
		"outbox {row of pia}",
		`UPDATE orders SET paid_at = NULL WHERE id = {pia}`,
	},
	{
		audit.CheckEvent,
		"the order %s is %s at its version %d; it was placed at the version %d of its run, and ended at %d",
		"outbox {row of pia}",
		`UPDATE orders SET version = 2 WHERE id = {pia}`,
	},
	{
		audit.CheckEvent,
		"the order %s is %s at its version %d; it was placed at the version %d of its run, and ended at %d",
		"outbox {row of pia}",
		`UPDATE orders SET placed_run_version = 9000000 WHERE id = {pia}`,
	},

	// Their uses: rae's was used.
	{
		audit.CheckTicket, "its own state is %q, and %q used it at %s", "{rae}",
		`UPDATE tickets SET own_state = '' WHERE order_id = {rae}`,
	},
	{
		audit.CheckTicket, "its own state is %q, and %q used it at %s", "{pia}",
		`UPDATE tickets SET used_at = {now} WHERE order_id = {pia}`,
	},
	{
		audit.CheckVersion, "its version is %d, and what became of it makes it %d", "{rae}",
		`UPDATE tickets SET own_state = '', used_at = NULL, used_by = NULL, use_id = NULL WHERE order_id = {rae}`,
	},
	{
		audit.CheckTicket, "it was used by %q, and the id of that is %q", "{rae}",
		`UPDATE tickets SET used_by = NULL WHERE order_id = {rae}`,
	},
	{
		audit.CheckTicket, "it was used by %q, and the id of that is %q", "{rae}",
		`UPDATE tickets SET use_id = 'u' WHERE order_id = {rae}`,
	},
	{
		audit.CheckTicket, "it was used at %s; its order was paid at %s and ended at %s, and now it is %s", "{rae}",
		`UPDATE tickets SET used_at = NULL WHERE order_id = {rae}`,
	},
	{
		audit.CheckTicket, "it was used at %s; its order was paid at %s and ended at %s, and now it is %s", "{rae}",
		`UPDATE tickets SET used_at = {now} + 86400000 WHERE order_id = {rae}`,
	},

	// refunds.
	{
		audit.CheckOrphan, "it belongs to a run that is not there", "refunds",
		`UPDATE refunds SET run_id = 'x' WHERE order_id = {pia}`,
	},
	{
		audit.CheckRefund, "%d refunds are for it", "{pia}",
		`INSERT INTO refunds (run_id, order_id, id, kind, tickets, gross_minor, fee_minor, currency, at,
			paid_back_at, run_version) SELECT run_id, order_id, CONCAT('0000', SUBSTR(id, 5)), kind, tickets,
			gross_minor, fee_minor, currency, at, paid_back_at, run_version FROM refunds WHERE order_id = {pia}`,
	},
	{
		audit.CheckRefund, "a refund is for it, and it is %s", "{pia}",
		`UPDATE refunds SET tickets = 2 WHERE order_id = {pia}`,
	},
	{
		audit.CheckRefund, "it is %s, and no refund is for it", "{pia}",
		`UPDATE refunds SET order_id = 'x' WHERE order_id = {pia}`,
	},
	{audit.CheckRefund, "it is %s, and no refund is for it", "{pia}", `UPDATE orders SET extras = 0 WHERE id = {pia}`},
	{audit.CheckRefund, "it is %s, and no refund is for it", "{hal}", `DELETE FROM refunds WHERE order_id = {hal}`},
	{audit.CheckRefund, "it is %s, and no refund is for it", "{quy}", `DELETE FROM refunds WHERE order_id = {quy}`},
	{
		audit.CheckRefund, "it is %s, and its refund is for %s", "{pia}",
		`UPDATE refunds SET kind = 'WITHDRAWN' WHERE order_id = {pia}`,
	},
	{audit.CheckRefund, "its id is none", "{pia}", `UPDATE refunds SET id = 'r' WHERE order_id = {pia}`},
	{
		audit.CheckRefund, "it is for the tickets %b, and its order has %d", "{pia}",
		`UPDATE refunds SET tickets = 0 WHERE order_id = {pia}`,
	},
	{
		audit.CheckRefund, "it is for the tickets %b, and its order has %d", "{pia}",
		`UPDATE refunds SET tickets = 5 WHERE order_id = {pia}`,
	},
	{
		audit.CheckRefund, "it is the rest of a change, and none of its ticket is done", "{pia}",
		`UPDATE refunds SET kind = 'CHANGED' WHERE order_id = {pia}`,
	},
	{audit.CheckRefund, "%q is no kind of refund", "{pia}", `UPDATE refunds SET kind = 'GIFT' WHERE order_id = {pia}`},
	{
		audit.CheckRefund, "it is of %s, and what it is for had cost %s", "{pia}",
		`UPDATE refunds SET gross_minor = gross_minor + 1 WHERE order_id = {pia}`,
	},
	{
		audit.CheckRefund, "it is of %s, and what it is for had cost %s", "{quy}",
		`UPDATE refunds SET gross_minor = gross_minor + 1 WHERE order_id = {quy}`,
	},
	{
		audit.CheckRefund, "it is of %s, and what it is for had cost %s", "{pia}",
		`UPDATE refunds SET currency = 'EUR' WHERE order_id = {pia}`,
	},
	{
		audit.CheckRefund, "%s of %s is kept", "{pia}",
		`UPDATE refunds SET fee_minor = gross_minor + 1 WHERE order_id = {pia}`,
	},
	{audit.CheckRefund, "%s of %s is kept", "{pia}", `UPDATE refunds SET fee_minor = -1 WHERE order_id = {pia}`},
	{
		audit.CheckRefund, "%s is kept, and %d minor units should be", "{hal}",
		`UPDATE refunds SET fee_minor = 1 WHERE order_id = {hal}`,
	},
	{
		audit.CheckRefund, "%s is kept, and %d minor units should be", "{quy}",
		`UPDATE refunds SET fee_minor = fee_minor - 1 WHERE order_id = {quy}`,
	},
	{
		audit.CheckRefund, "it was decided at %s, and its order was paid at %s", "{pia}",
		`UPDATE refunds SET at = at - 86400000 WHERE order_id = {pia}`,
	},
	{
		audit.CheckRefund, "it was decided at %s and its money back at %s, and now it is %s", "{pia}",
		`UPDATE refunds SET at = {now} + 86400000 WHERE order_id = {pia}`,
	},
	{
		audit.CheckRefund, "it was decided at %s and its money back at %s, and now it is %s", "{pia}",
		`UPDATE refunds SET paid_back_at = {now} + 86400000 WHERE order_id = {pia}`,
	},
	{
		audit.CheckRefund, "its money was back at %s, before it was decided at %s", "{pia}",
		`UPDATE refunds SET paid_back_at = at - 86400000 WHERE order_id = {pia}`,
	},
	{
		audit.CheckRefund, "nothing is to go back, and it waits for that", "{pia}",
		`UPDATE refunds SET fee_minor = gross_minor, paid_back_at = NULL WHERE order_id = {pia}`,
	},

	// changes.
	{
		audit.CheckOrphan, "it belongs to a run that is not there", "changes",
		`UPDATE changes SET run_id = 'x' WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "its ticket came from a change, and was changed again", "{new}",
		`INSERT INTO changes (run_id, order_id, id, ticket, to_run, state, wanted, price_minor,
			carried_minor, rest_minor, fee_minor, currency, begun_at, due_at, ended_at) SELECT {I}, {new},
			CONCAT('0000', SUBSTR(id, 5)), ticket, to_run, state, wanted, price_minor, carried_minor,
			rest_minor, fee_minor, currency, begun_at, due_at, ended_at FROM changes WHERE order_id = {quy};
			UPDATE orders SET extras = 1 WHERE id = {new}`,
	},
	{
		audit.CheckChange, "%d changes of it are open or done, and it can be changed once", "{quy}",
		`INSERT INTO changes (run_id, order_id, id, ticket, to_run, state, wanted, price_minor,
			carried_minor, rest_minor, fee_minor, currency, begun_at, due_at, ended_at) SELECT run_id, order_id,
			CONCAT('0000', SUBSTR(id, 5)), ticket, to_run, state, wanted, price_minor, carried_minor,
			rest_minor, fee_minor, currency, begun_at, due_at, ended_at FROM changes WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "a change of it is %s, and it is %s", "{quy}",
		`UPDATE tickets SET own_state = '' WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "it is %s, and no change of it is %s", "{quy}",
		`UPDATE changes SET order_id = 'x' WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "it is %s, and no change of it is %s", "{quy}",
		`UPDATE changes SET state = 'ENDED' WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "it is %s, and no change of it is %s", "{quy}",
		`UPDATE tickets SET own_state = 'CHANGING' WHERE order_id = {quy}`,
	},
	{audit.CheckChange, "its id or its run %q is none", "{quy}", `UPDATE changes SET id = 'c' WHERE order_id = {quy}`},
	{
		audit.CheckChange, "its id or its run %q is none", "{quy}",
		`UPDATE changes SET to_run = '' WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "it is of ticket %d, and its order has %d", "{quy}",
		`UPDATE changes SET ticket = 1 WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "%s is carried over and %s is the rest of %s", "{quy}",
		`UPDATE changes SET carried_minor = carried_minor + 1 WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "%s is carried over and %s is the rest of %s", "{quy}",
		`UPDATE changes SET rest_minor = rest_minor + 1 WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "%s is carried over and %s is the rest of %s", "{quy}",
		`UPDATE changes SET currency = 'EUR' WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "the new ticket costs %s, %s of it is carried over, and %s is left", "{quy}",
		`UPDATE changes SET price_minor = price_minor + 1 WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "the new ticket costs %s, %s of it is carried over, and %s is left", "{quy}",
		`UPDATE changes SET price_minor = carried_minor - 1 WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "%s is kept of %s", "{quy}",
		`UPDATE changes SET fee_minor = rest_minor + 1 WHERE order_id = {quy}`,
	},
	{audit.CheckChange, "%s is kept of %s", "{quy}", `UPDATE changes SET fee_minor = -1 WHERE order_id = {quy}`},
	{
		audit.CheckChange, "it is open, and ended at %s", "{quy}",
		`UPDATE changes SET state = 'OPEN' WHERE order_id = {quy}`,
	},
	{
		audit.CheckOverdue, "it was to be over at %s, and no server has ended it", "{quy}",
		`UPDATE changes SET state = 'OPEN', ended_at = NULL, due_at = {now} - 3600000 WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "it is %s, and has no time at which it ended", "{quy}",
		`UPDATE changes SET ended_at = NULL WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "%q is no state of a change", "{quy}",
		`UPDATE changes SET state = 'MAYBE' WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "it was begun at %s, due at %s and ended at %s, and now it is %s", "{quy}",
		`UPDATE changes SET begun_at = {now} + 86400000 WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "it was begun at %s, due at %s and ended at %s, and now it is %s", "{quy}",
		`UPDATE changes SET due_at = begun_at - 1 WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "it was begun at %s, due at %s and ended at %s, and now it is %s", "{quy}",
		`UPDATE changes SET ended_at = {now} + 86400000 WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "it was begun at %s, due at %s and ended at %s, and now it is %s", "{quy}",
		`UPDATE changes SET ended_at = begun_at - 86400000 WHERE order_id = {quy}`,
	},

	// A change and the order that replaces its ticket.
	{
		audit.CheckChange, "it replaces ticket %s, of which there is no such change", "{new}",
		`DELETE FROM changes WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "it replaces another ticket, or is of another run, than its change %s says", "{new}",
		`UPDATE orders SET replaces_order = 'x' WHERE id = {new}`,
	},
	{
		audit.CheckChange, "it replaces another ticket, or is of another run, than its change %s says", "{new}",
		`UPDATE orders SET replaces_ticket = 1 WHERE id = {new}`,
	},
	{
		audit.CheckChange, "it replaces another ticket, or is of another run, than its change %s says", "{new}",
		`UPDATE changes SET to_run = {A} WHERE order_id = {quy}`,
	},
	{
		audit.CheckChange, "what was carried over to it is %s, and %s by its change", "{new}",
		`UPDATE orders SET carried_minor = carried_minor - 100 WHERE id = {new}`,
	},
	{
		audit.CheckChange, "its change %s is done, and there is no new order", "{quy}",
		`UPDATE orders SET replaces_order = NULL, replaces_ticket = NULL WHERE id = {new}`,
	},
	{
		audit.CheckChange, "its change %s is done, and the new order was never paid", "{quy}",
		`UPDATE orders SET paid_at = NULL WHERE id = {new}`,
	},
	{
		audit.CheckChange, "its change %s has ended, and the new order is live or was paid", "{quy}",
		`UPDATE changes SET state = 'ENDED' WHERE order_id = {quy}`,
	},
}

// plantedInTickets are those rules as all that is planted is.
var plantedInTickets = func() (all []planted) {
	for i := range rulesOfTickets {
		all = append(all, rulesOfTickets[i].planted())
	}
	return all
}()

// TestPlanted_EveryRuleOfTickets reads what verify says of refunds, changes and the tickets' own states in its source:
// each sentence is a rule here, and each rule is such a sentence.
func TestPlanted_EveryRuleOfTickets(t *testing.T) {
	written := map[string]string{}
	files, err := filepath.Glob("../../services/audit/*.go")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if ok && sentence(e) != "%s" {
				written[sentence(e)] = filepath.Base(path)
				return false
			}
			return true
		})
	}
	has := map[string]bool{}
	for _, r := range rulesOfTickets {
		has[r.says] = true
		require.NotEmpty(t, written[r.says], "nothing says %q", r.says)
	}
	for says, file := range written {
		if (file == "returns.go" || file == "changes.go") && strings.Count(says, " ") > 2 {
			require.True(t, has[says], "nothing is planted that %s finds as %q", file, says)
		}
	}
}

// sentence is a text in the source, with %s in place of what is put into it; "%s" where an expression is none.
func sentence(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); e.Kind == token.STRING && err == nil {
			return text
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			if text := sentence(e.X) + sentence(e.Y); strings.Trim(text, "%s") != "" {
				return text
			}
		}
	}
	return "%s"
}

// givenBack has pia give one of two tickets back, and quy change one to a cheaper train, on runs of their own.
func (h *history) givenBack(t *testing.T, buy func(who, run, to string, documents ...string) string,
	do func(who, mutation string, input map[string]any), orders, tickets, ids map[string]string,
) {
	t.Helper()
	ids["H"] = h.publish(map[string]any{"number": "T22"})
	fares := change(trainInput()["fares"].(map[string]any), map[string]any{"roundTo": "5.00"})
	ids["I"] = h.publish(map[string]any{"number": "T24", "fares": fares})
	for who, documents := range map[string][]string{"pia": {"D0000031", "D0000032"}, "quy": {"D0000033"}} {
		require.Empty(t, buy(who, "H", "SHH", documents...))
		do(who, payOrderMutation, map[string]any{"idempotencyKey": "pay-of-" + who})
	}
	pia, quy := h.r.token(t, "pia", rail.RolePassenger), h.r.token(t, "quy", rail.RolePassenger)
	given := []any{tickets["pia"]}
	a := h.r.ask(t, pia, refundQuoteQuery, map[string]any{"o": orders["pia"], "t": given})
	do("pia", refundMutation, map[string]any{
		"ticketIds": given, "quoteId": a.at(t, "refundQuote.quote.id"), "idempotencyKey": "refund-of-pia",
	})
	to := map[string]any{
		"orderId": orders["quy"], "ticketId": tickets["quy"], "runId": ids["I"], "from": "BJP", "to": "SHH",
		"seatClass": "HARD_SLEEPER",
	}
	a = h.r.ask(t, quy, changeQuoteQuery, map[string]any{"c": to})
	require.Equal(t, "0.00", a.at(t, "changeQuote.quote.toPay.amount"), "%s", a.Data)
	require.NotEqual(t, "0.00", a.at(t, "changeQuote.quote.rest.amount"), "%s", a.Data)
	a = h.r.ask(t, quy, changeMutation, map[string]any{"i": map[string]any{
		"change": to, "quoteId": a.at(t, "changeQuote.quote.id"), "idempotencyKey": "change-of-quy",
	}})
	require.Equal(t, "PAID", a.at(t, "changeTicket.order.state"), "%s", a.Data)
	require.Eventually(t, func() bool {
		return h.value("SELECT COUNT(*) FROM refunds WHERE paid_back_at IS NULL") == "0"
	}, healsIn, healsIn/500, "the money is back")
}

// used has rae's ticket marked by an inspector, on a run that leaves in some hours.
func (h *history) used(t *testing.T, buy func(who, run, to string, documents ...string) string,
	do func(who, mutation string, input map[string]any), ids map[string]string,
) {
	t.Helper()
	ids["J"] = h.publish(leavesSoon("T26"))
	require.Empty(t, buy("rae", "J", "SHH", "D0000041"))
	do("rae", payOrderMutation, map[string]any{"idempotencyKey": "pay-of-rae"})
	is, err := h.r.service.Use(t.Context(), sale.UseRequest{
		Inspector: "ines", Key: "use-of-rae",
		Ticket: rail.TicketRef{OrderID: h.value("SELECT id FROM orders WHERE buyer = 'rae'")},
	})
	require.NoError(t, err)
	require.Equal(t, rail.CheckValid, is.Check)
}

// leavesSoon is what of a train's input has it leave in three hours, at most a day before which a ticket is valid.
func leavesSoon(number string) map[string]any {
	at := time.Now().In(time.FixedZone("China", 8*3600)).Add(3 * time.Hour)
	after := func(minutes int) string {
		minutes += at.Hour()*60 + at.Minute()
		return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60)
	}
	return map[string]any{
		"number": number, "from": at.Format(time.DateOnly), "through": at.Format(time.DateOnly), "calls": []any{
			map[string]any{"station": "BJP", "departure": after(0), "distanceKm": 0},
			map[string]any{"station": "TJP", "arrival": after(40), "departure": after(45), "distanceKm": 120.5},
			map[string]any{"station": "SHH", "arrival": after(900), "distanceKm": 1325.0},
		},
	}
}
