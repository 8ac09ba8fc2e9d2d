package check

import (
	"slices"

	"interlock/cmd/interlock/failpoints/effects"
	"interlock/services/ledger"
	"interlock/services/pay"
)

// PaymentEvents adds to C13 what was told of payments that have come to their end: of each step at most once, of a
// capture and of an end exactly once in each group, and nothing that did not happen.
func PaymentEvents(r *Result, took []effects.Effect, payments []*pay.Payment, groups EventGroups) {
	for _, group := range groups.All {
		told := map[string]map[ledger.EventType][]int64{}
		for i := range took {
			e := &took[i].Event
			if took[i].Group != group || e.PaymentID == "" {
				continue
			}
			if told[e.PaymentID] == nil {
				told[e.PaymentID] = map[ledger.EventType][]int64{}
			}
			told[e.PaymentID][e.Type] = append(told[e.PaymentID][e.Type], e.PaymentVersion)
		}
		for _, p := range payments {
			r.Looked++
			paymentIsTold(r, group, p, told[p.ID])
			delete(told, p.ID)
		}
		for id := range told {
			r.wrong("%s: payment %s was told of, and there is none", group, id)
		}
	}
}

// paymentIsTold compares what became of a payment with what was told of it.
func paymentIsTold(r *Result, group string, p *pay.Payment, told map[ledger.EventType][]int64) {
	ended := p.State == pay.Failed || p.State == pay.Released || p.State == pay.Refunded
	for _, one := range []struct {
		what      ledger.EventType
		must, may bool
	}{
		{ledger.EventPaymentAuthorised, false, p.Authorised > 0},
		{ledger.EventPaymentCaptured, p.State == pay.Captured, p.Captured > 0},
		{ledger.EventPaymentEnded, ended, ended},
	} {
		versions := told[one.what]
		switch {
		case len(versions) > 1:
			r.wrong("%s: %s of payment %s took effect at the versions %v", group, one.what, p.ID, versions)
		case len(versions) == 0 && one.must:
			r.wrong("%s: payment %s is %s, and %s did not take effect", group, p.ID, p.State, one.what)
		case len(versions) == 1 && (!one.may || slices.Max(versions) > p.Version):
			r.wrong("%s: %s took effect as version %d, and payment %s is %s at version %d", group, one.what,
				versions[0], p.ID, p.State, p.Version)
		}
	}
}
