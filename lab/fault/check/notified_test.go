package check_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/lab/fault/check"
	"interlock/lab/inbox"
	"interlock/services/ledger"
	"interlock/services/rail"
)

// notified are what came where all is well: a mail about ann's payment, and three webhooks to each of two partners. Bob
// gave no address.
func notified() (*told, *check.Notified) {
	receipt := func(id string) inbox.Receipt { return inbox.Receipt{ID: id, At: at(3), Answered: true} }
	n := &check.Notified{
		Mails: []inbox.Mail{
			{Receipt: receipt("m1"), To: "a1@f1.example"},
			{Receipt: receipt("m2"), To: "a1@f2.example"}, // of another train
		},
		Domain:  "f1.example",
		Types:   []ledger.EventType{ledger.EventOrderPaid, ledger.EventRunSuspended, ledger.EventRunResumed},
		Subject: func(e *ledger.Event) string { return "page of " + e.Subject() },
		Address: func(o *ledger.WrittenOrder) string {
			return map[string]string{"A1": "a1@f1.example", "D1": "d1@f1.example"}[o.Number]
		},
		Noted: map[string]bool{"m1": true, "m2": true},
	}
	for _, name := range []string{"p", "q"} {
		n.Partners = append(n.Partners, []inbox.Webhook{
			{Receipt: receipt(name + "1"), Type: string(ledger.EventOrderPaid), Order: "page of A1", Version: 2},
			{
				Receipt: receipt(name + "2"), Type: string(ledger.EventRunSuspended), Run: "page of " + string(runID),
				Version: 8,
			},
			{
				Receipt: receipt(name + "3"), Type: string(ledger.EventRunResumed), Run: "page of " + string(runID),
				Version: 9,
			},
		})
		for _, w := range n.Partners[len(n.Partners)-1] {
			n.Noted[w.ID] = true
		}
	}
	return tell(), n
}

func judgeNotified(s *told, n *check.Notified) *check.Result {
	r := &check.Result{Name: "C13", OK: true}
	check.Notifications(r, n, s.effects, []*ledger.AuditSnapshot{s.snapshot}, inOrder)
	return r
}

func TestNotifications_AllIsWell(t *testing.T) {
	s, n := notified()
	r := judgeNotified(s, n)
	require.True(t, r.OK, r.Examples)
	require.Equal(t, 7, r.Looked)

	// One that had no answer comes again, and so does one whose sender died.
	again := n.Mails[0]
	again.Answered = false
	n.Mails = append(n.Mails, again)
	n.Partners[1] = append(n.Partners[1], n.Partners[1][0])
	n.Kills = 1
	r = judgeNotified(s, n)
	require.True(t, r.OK, r.Examples)
	require.Equal(t, map[string]float64{"mails": 1, "webhooks": 3, "repeated": 1, "not_answered": 1}, r.Figures)
}

func TestNotifications_Wrong(t *testing.T) {
	for name, spoil := range map[string]func(*told, *check.Notified){
		"a mail is lost":    func(_ *told, n *check.Notified) { n.Mails = n.Mails[1:] },
		"a webhook is lost": func(_ *told, n *check.Notified) { n.Partners[1] = n.Partners[1][:2] },
		"a mail comes twice without a death": func(_ *told, n *check.Notified) {
			n.Mails = append(n.Mails, n.Mails[0])
		},
		"a mail comes three times": func(_ *told, n *check.Notified) {
			n.Kills = 1
			n.Mails = append(n.Mails, n.Mails[0], n.Mails[0])
		},
		"a webhook comes twice without a death": func(_ *told, n *check.Notified) {
			n.Partners[0] = append(n.Partners[0], n.Partners[0][1])
		},
		"the second has another id": func(_ *told, n *check.Notified) {
			other := n.Mails[0]
			other.ID, other.Answered = "m3", false
			n.Mails, n.Noted["m3"] = append(n.Mails, other), true
		},
		"it had no answer and did not come again": func(_ *told, n *check.Notified) { n.Mails[0].Answered = false },
		"it is not noted":                         func(_ *told, n *check.Notified) { n.Noted["m1"] = false },
		"a mail about an order that is not paid": func(_ *told, n *check.Notified) {
			other := n.Mails[0]
			other.ID, other.To, n.Noted["m4"] = "m4", "d1@f1.example", true
			n.Mails = append(n.Mails, other)
		},
		"a webhook of another version": func(_ *told, n *check.Notified) { n.Partners[0][0].Version = 3 },
		"it is paid and was not mailed": func(s *told, _ *check.Notified) {
			i := slices.IndexFunc(s.snapshot.Orders, func(o *ledger.WrittenOrder) bool { return o.Number == "D1" })
			s.snapshot.Orders[i].State, s.snapshot.Orders[i].PaidAt = rail.Paid, at(4)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, n := notified()
			spoil(s, n)
			r := judgeNotified(s, n)
			require.False(t, r.OK)
			require.Equal(t, 1, r.Failed, r.Examples)
		})
	}
}
