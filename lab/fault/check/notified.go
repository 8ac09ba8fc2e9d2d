package check

import (
	"slices"
	"strings"
	"time"

	"interlock/cmd/interlock/failpoints/effects"
	"interlock/lab/inbox"
	"interlock/services/ledger"
)

// NotifiedTime is within what every buyer and partner must have been told after all clients came to rest. What a dead
// service had in its hands is told again after 90 s, and what a receiver did not answer after half a minute.
const NotifiedTime = 2 * time.Minute

// Notified are what buyers and partners were told.
type Notified struct {
	Mails []inbox.Mail
	// Partners has what came to each of them.
	Partners [][]inbox.Webhook
	// Address is what an order's buyer gave, "" for nothing. Domain is where these addresses are.
	Address func(o *ledger.WrittenOrder) string
	Domain  string
	// Types are what partners are told. Subject is what clients call the order or the run that an event is of.
	Types   []ledger.EventType
	Subject func(e *ledger.Event) string
	// Noted tells whether the service has noted of a delivery that it was sent.
	Noted map[string]bool
	// Kills is how often the service died.
	Kills int
}

// Notifications adds to C13. Each buyer who gave an address had one mail about each payment, and each partner one
// webhook about each event that took effect in a group. Where the service died, or a receiver did not answer, the same
// one may have come again.
func Notifications(r *Result, n *Notified, took []effects.Effect, snapshots []*ledger.AuditSnapshot, group string) {
	t := &notified{Result: r, Notified: n}
	t.mails(snapshots)
	for i := range n.Partners {
		t.partner(i, took, group)
	}
	r.figure("repeated", float64(t.repeated))
	r.figure("not_answered", float64(t.unanswered))
}

type notified struct {
	*Result
	*Notified
	repeated, unanswered int
}

// mails compares the mails with the orders that were paid.
func (t *notified) mails(snapshots []*ledger.AuditSnapshot) {
	came := map[string][]inbox.Receipt{}
	for i := range t.Mails {
		if to := t.Mails[i].To; strings.HasSuffix(to, "@"+t.Domain) {
			came[to] = append(came[to], t.Mails[i].Receipt)
		}
	}
	told := 0
	for _, s := range snapshots {
		for _, o := range s.Orders {
			address := t.Address(o)
			if address == "" || o.PaidAt.IsZero() {
				continue
			}
			t.once("the mail about the payment of order "+o.Number, came[address])
			delete(came, address)
			told++
		}
	}
	t.figure("mails", float64(told))
	for range came {
		t.wrong("a mail came, and no order was paid that it is about")
	}
}

// partner compares a partner's webhooks with the events that took effect.
func (t *notified) partner(n int, took []effects.Effect, group string) {
	type fact struct {
		what    string
		subject string
		version int64
	}
	came := map[fact][]inbox.Receipt{}
	for i := range t.Partners[n] {
		w := &t.Partners[n][i]
		subject := w.Order
		if subject == "" {
			subject = w.Run
		}
		one := fact{w.Type, subject, w.Version}
		came[one] = append(came[one], w.Receipt)
	}
	told := 0
	for i := range took {
		e := &took[i].Event
		if took[i].Group != group || !slices.Contains(t.Types, e.Type) {
			continue
		}
		t.once("the webhook about "+e.ID(), came[fact{string(e.Type), t.Subject(e), e.Version()}])
		told++
	}
	t.figure("webhooks", float64(told))
}

// once looks at all that came of one thing to be told.
func (t *notified) once(what string, came []inbox.Receipt) {
	t.Looked++
	if len(came) == 0 {
		t.wrong("%s did not come", what)
		return
	}
	answered := 0
	for _, one := range came {
		if one.ID != came[0].ID {
			t.wrong("%s came as %s and as %s", what, came[0].ID, one.ID)
		}
		if one.Answered {
			answered++
		} else {
			t.unanswered++
		}
	}
	switch {
	case answered == 0:
		t.wrong("%s came, and was not sent again after it had no answer", what)
	case answered > 1+t.Kills:
		t.wrong("%s came %d times, and the service died %d times", what, answered, t.Kills)
	case !t.Noted[came[0].ID]:
		t.wrong("%s came, and the service has not noted it", what)
	}
	t.repeated += answered - min(answered, 1)
}
