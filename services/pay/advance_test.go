package pay_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/pay"
	"interlock/services/rail"
)

const price = 55_300

// inState is a payment as it usually is in a state.
func inState(state pay.State) pay.Payment {
	p := pay.Payment{
		ID: "p1", OrderID: orderID(1), Amount: rail.Money{Minor: price, Currency: "CNY"}, State: state,
		Reference:   "ref1",
		RedirectURL: "https://bank.example/ref1", Version: 7, Tries: 3,
	}
	switch state {
	case pay.Created:
		p.Reference, p.RedirectURL = "", ""
	case pay.Open, pay.Failed:
	case pay.Authorised:
		p.Authorised = price
	case pay.Capturing:
		p.Authorised, p.Wants = price, pay.Capture
	case pay.Releasing:
		p.Authorised, p.Wants = price, pay.Release
	case pay.Released:
		p.Authorised, p.Released, p.Wants = price, price, pay.Release
	case pay.Captured:
		p.Authorised, p.Captured, p.Wants = price, price, pay.Capture
	case pay.Refunding:
		p.Authorised, p.Captured, p.Wants = price, price, pay.Release
	case pay.Refunded:
		p.Authorised, p.Captured, p.Refunded, p.Wants = price, price, price, pay.Release
	}
	return p
}

// charge is a charge of payment p1.
func charge(status pay.ChargeStatus, authorised, captured, released, refunded int64) pay.Charge {
	return pay.Charge{
		PaymentID: "p1", OrderID: orderID(1), Reference: "ref1", Status: status, Currency: "CNY",
		Authorised: authorised,
		Captured:   captured, Released: released, Refunded: refunded, RedirectURL: "https://bank.example/ref1",
	}
}

// TestAdvance_EveryStateWithEverything is the whole table: what becomes of a payment in each state by each thing that a
// provider may say, and by each decision. A dot is the state that it has.
func TestAdvance_EveryStateWithEverything(t *testing.T) {
	const table = `
		STATE       open  authorised  captured    declined  voided    refunded  wrong_amount  | CAPTURE    RELEASE
		CREATED     OPEN  AUTHORISED  AUTHORISED  FAILED    RELEASED  REFUNDED  RELEASING     | .          RELEASING
		OPEN        .     AUTHORISED  AUTHORISED  FAILED    RELEASED  REFUNDED  RELEASING     | .          RELEASING
		AUTHORISED  .     .           .           RELEASED  RELEASED  REFUNDED  RELEASING     | CAPTURING  RELEASING
		CAPTURING   .     .           CAPTURED    RELEASED  RELEASED  REFUNDED  RELEASING     | .          RELEASING
		RELEASING   .     .           REFUNDING   RELEASED  RELEASED  REFUNDED  .             | .          .
		FAILED      .     .           REFUNDING   .         RELEASED  REFUNDED  .             | .          .
		RELEASED    .     .           REFUNDING   .         .         REFUNDED  .             | .          .
		CAPTURED    .     .           .           .         .         REFUNDED  .             | .          REFUNDING
		REFUNDING   .     .           .           .         .         REFUNDED  .             | .          .
		REFUNDED    .     .           .           .         .         .         .             | .          .`
	said := map[string]pay.Charge{
		"open":         charge(pay.ChargeOpen, 0, 0, 0, 0),
		"authorised":   charge(pay.ChargeAuthorised, price, 0, 0, 0),
		"captured":     charge(pay.ChargeCaptured, price, price, 0, 0),
		"declined":     charge(pay.ChargeClosed, 0, 0, 0, 0),
		"voided":       charge(pay.ChargeClosed, price, 0, price, 0),
		"refunded":     charge(pay.ChargeCaptured, price, price, 0, price),
		"wrong_amount": charge(pay.ChargeAuthorised, price+1, 0, 0, 0),
	}
	rows := strings.Split(strings.TrimSpace(table), "\n")
	head := strings.Fields(strings.ReplaceAll(rows[0], "|", ""))
	require.Len(t, rows, 1+len(pay.States))
	for _, row := range rows[1:] {
		cells := strings.Fields(strings.ReplaceAll(row, "|", ""))
		require.Len(t, cells, len(head))
		for i, want := range cells[1:] {
			before, cause := inState(pay.State(cells[0])), head[i+1]
			if want == "." {
				want = cells[0]
			}
			var after pay.Payment
			var changed bool
			if c, ok := said[cause]; ok {
				after, changed = pay.Advance(before, c)
			} else {
				after, changed = pay.Decide(before, pay.Settlement{PaymentID: "p1", Decision: pay.Decision(cause)})
			}
			require.Equal(t, want, string(after.State), "%s, %s", cells[0], cause)
			require.Equal(t, after != before, changed, "%s, %s", cells[0], cause)
			require.Equal(t, before.Version, after.Version, "the version is the store's business")
			keepsItsWord(t, &before, &after)
			if after.State != before.State {
				require.Zero(t, after.Tries, "%s, %s", cells[0], cause)
			}
		}
	}
}

// keepsItsWord checks what holds for each change of a payment.
func keepsItsWord(t require.TestingT, before, after *pay.Payment) {
	if broken := brokenWord(before, after); broken != "" {
		require.Fail(t, broken, "%+v became %+v", *before, *after)
	}
}

func brokenWord(before, after *pay.Payment) string {
	rank := func(s pay.State) int { return slices.Index(pay.States, s) }
	switch {
	case rank(after.State) < rank(before.State):
		return "the state went back"
	case after.Authorised < before.Authorised, after.Captured < before.Captured, after.Refunded < before.Refunded:
		return "an amount fell"
	case after.Released < 0, after.Authorised < after.Captured+after.Released, after.Captured < after.Refunded:
		return "the amounts do not add up"
	case before.Wants == pay.Release && after.Wants != pay.Release:
		return "a release was taken back"
	case (after.State == pay.Captured || after.State == pay.Capturing) && after.Wants != pay.Capture:
		return "the capture is not wanted"
	case after.State == pay.Captured && after.Captured != after.Amount.Minor:
		return "another amount was captured"
	case after.State == pay.Capturing && after.Authorised != after.Amount.Minor:
		return "another amount is to be captured"
	case (after.State == pay.Captured || after.State == pay.Refunded) &&
		after.Authorised != after.Captured+after.Released:
		return "money of an ended charge is held"
	}
	return ""
}

// history is all that one charge goes through on the provider's side, in order.
type history []pay.Charge

var (
	opened     = charge(pay.ChargeOpen, 0, 0, 0, 0)
	authorised = charge(pay.ChargeAuthorised, price, 0, 0, 0)
	captured   = charge(pay.ChargeCaptured, price, price, 0, 0)
	histories  = []history{
		{opened},
		{opened, authorised},
		{opened, charge(pay.ChargeClosed, 0, 0, 0, 0)},
		{opened, authorised, charge(pay.ChargeClosed, price, 0, price, 0)},
		{opened, authorised, captured},
		{opened, authorised, captured, charge(pay.ChargeCaptured, price, price, 0, 100)},
		{opened, authorised, captured, charge(pay.ChargeCaptured, price, price, 0, price)},
		{opened, charge(pay.ChargeAuthorised, price-1, 0, 0, 0)},
		{opened, authorised, charge(pay.ChargeCaptured, price, price-1, 1, 0)},
	}
	decisions = [][]pay.Decision{
		{}, {pay.Capture}, {pay.Release}, {pay.Capture, pay.Release}, {pay.Capture, pay.Capture},
	}
)

// modelled is the state that a payment is in at the end, told from the end of its charge's history and the decisions
// alone, whatever their order was.
func modelled(h history, decided []pay.Decision) pay.State {
	end := h[len(h)-1]
	release, capture, wrong := false, false, false
	for _, d := range decided {
		release, capture = release || d == pay.Release, capture || d == pay.Capture
	}
	for _, c := range h {
		wrong = wrong || c.Authorised > 0 && c.Authorised != price || c.Captured > 0 && c.Captured != price
	}
	kept := end.Captured - end.Refunded
	switch {
	case end.Captured > 0 && kept == 0:
		return pay.Refunded
	case end.Captured > 0 && (release || wrong):
		return pay.Refunding
	case end.Captured > 0 && capture:
		return pay.Captured
	case end.Status == pay.ChargeClosed && end.Authorised > 0:
		return pay.Released
	case end.Status == pay.ChargeClosed:
		return pay.Failed
	case release || wrong:
		return pay.Releasing
	case end.Authorised > 0 && capture && end.Captured == 0:
		return pay.Capturing
	case end.Authorised > 0:
		return pay.Authorised
	}
	return pay.Open
}

// step is one thing that a payment is told.
type step struct {
	charge   *pay.Charge
	decision pay.Decision
}

func (s step) apply(p pay.Payment) pay.Payment {
	if s.charge != nil {
		p, _ = pay.Advance(p, *s.charge)
		return p
	}
	p, _ = pay.Decide(p, pay.Settlement{PaymentID: p.ID, Decision: s.decision})
	return p
}

func stepsOf(h history, decided []pay.Decision) []step {
	var steps []step
	for i := range h {
		steps = append(steps, step{charge: &h[i]})
	}
	for _, d := range decided {
		steps = append(steps, step{decision: d})
	}
	return steps
}

// TestAdvance_AnyOrder tells a payment everything in every order, and at last how its charge stands: the end is the
// same.
func TestAdvance_AnyOrder(t *testing.T) {
	for _, h := range histories {
		for _, decided := range decisions {
			orders := 0
			permute(stepsOf(h, decided), func(steps []step) {
				orders++
				endsAsModelled(t, h, decided, steps)
			})
			require.Positive(t, orders)
		}
	}
}

// permute calls with every order of steps.
func permute(steps []step, with func([]step)) {
	var from func(i int)
	from = func(i int) {
		if i == len(steps) {
			with(steps)
			return
		}
		for k := i; k < len(steps); k++ {
			steps[i], steps[k] = steps[k], steps[i]
			from(i + 1)
			steps[i], steps[k] = steps[k], steps[i]
		}
	}
	from(0)
}

func endsAsModelled(t require.TestingT, h history, decided []pay.Decision, steps []step) {
	p := inState(pay.Created)
	p.Version, p.Tries = 1, 0
	end := h[len(h)-1]
	for _, s := range append(append([]step{}, steps...), step{charge: &end}) {
		before := p
		p = s.apply(p)
		keepsItsWord(t, &before, &p)
		if again := s.apply(p); again != p {
			require.Equal(t, p, again, "a repetition changes nothing")
		}
	}
	if want := modelled(h, decided); p.State != want || p.Authorised != end.Authorised || p.Captured != end.Captured ||
		p.Released != end.Released || p.Refunded != end.Refunded {
		require.Fail(t, "it ended otherwise", "%v of %v: %+v, and not %s", decided, h, p, want)
	}
}

// TestAdvance_AnyOrderAndRepetition does the same with repetitions, and also with charges that cannot be.
func TestAdvance_AnyOrderAndRepetition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := rapid.SampledFrom(histories).Draw(t, "history")
		decided := rapid.SampledFrom(decisions).Draw(t, "decisions")
		steps := rapid.Permutation(append(stepsOf(h, decided), stepsOf(h, decided)...)).Draw(t, "steps")
		endsAsModelled(t, h, decided, steps)
	})
}

// TestAdvance_Nonsense tells a payment what no provider should say: it moves forward, and its amounts add up.
func TestAdvance_Nonsense(t *testing.T) {
	amount := rapid.Int64Range(-3, price+3)
	rapid.Check(t, func(t *rapid.T) {
		p := inState(rapid.SampledFrom(pay.States).Draw(t, "state"))
		for range 5 {
			c := charge(rapid.SampledFrom([]pay.ChargeStatus{
				pay.ChargeOpen, pay.ChargeAuthorised, pay.ChargeCaptured, pay.ChargeClosed,
			}).Draw(t, "status"), amount.Draw(t, "authorised"), amount.Draw(t, "captured"), amount.Draw(t, "released"),
				amount.Draw(t, "refunded"))
			s := step{charge: &c}
			if rapid.Bool().Draw(t, "decides") {
				s = step{decision: rapid.SampledFrom([]pay.Decision{pay.Capture, pay.Release}).Draw(t, "decision")}
			}
			before := p
			p = s.apply(p)
			keepsItsWord(t, &before, &p)
			require.Equal(t, p, s.apply(p), "a repetition changes nothing")
		}
	})
}

// TestAdvance_OfAnother tells a payment of a charge that is not its own.
func TestAdvance_OfAnother(t *testing.T) {
	for _, state := range pay.States {
		for name, change := range map[string]func(*pay.Charge){
			"another reference": func(c *pay.Charge) { c.Reference, c.PaymentID = "ref2", "p2" },
			"no reference":      func(c *pay.Charge) { c.Reference = "" },
			"another currency":  func(c *pay.Charge) { c.Currency = "EUR" },
		} {
			c := charge(pay.ChargeCaptured, price, price, 0, 0)
			change(&c)
			p, changed := pay.Advance(inState(state), c)
			require.False(t, changed, "%s, %s", state, name)
			require.Equal(t, inState(state), p, "%s, %s", state, name)
		}
	}
}
