package audit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/rail"
)

// Of every state, with every combination of the times and keys an order may have, the defects are the ones named.
func TestVerifyState(t *testing.T) {
	require.Len(t, orderTimes, len(rail.OrderStates))
	for _, state := range rail.OrderStates {
		require.Contains(t, orderTimes, state)
	}
	const (
		paid      = 1 << iota // a time at which it was paid, and the key of the payment
		ended                 // a time at which it ended
		givenBack             // a version at which its seats were given back
		paying                // times since and until which it was PAYING, and the id of the payment
	)
	const (
		noEnd       = "has no time at which it ended"
		noVersion   = "has no version at which its seats were given back"
		notPaid     = "has no time at which it was"
		isEnded     = "ended at 1970-01-01T00:00:02.000Z"
		isGivenBack = "its seats were given back at the version 7"
		isPaid      = "was paid at 1970-01-01T00:00:01.000Z"
		notPaying   = "has no time since which it is"
		isPaying    = "was PAYING at 1970-01-01T00:00:01.000Z"
	)
	for _, c := range []struct {
		state   rail.OrderState
		has     int
		defects []string
	}{
		{rail.OnHold, 0, nil},
		{rail.OnHold, paid, []string{isPaid}},
		{rail.OnHold, ended, []string{isEnded}},
		{rail.OnHold, givenBack, []string{isGivenBack}},
		{rail.OnHold, ended | givenBack, []string{isEnded}},
		{rail.OnHold, paid | ended, []string{isEnded, isPaid}},
		{rail.OnHold, paying, []string{isPaying}},
		{rail.Paying, 0, []string{notPaying}},
		{rail.Paying, paying, nil},
		{rail.Paying, paying | paid, []string{isPaid}},
		{rail.Paying, paying | ended, []string{isEnded}},
		{rail.Paying, paying | givenBack, []string{isGivenBack}},
		{rail.Paying, paid, []string{notPaying, isPaid}},
		{rail.Paid, 0, []string{notPaid}},
		{rail.Paid, paying, []string{notPaid}},
		{rail.Paid, paying | paid, nil},
		{rail.Paid, paid, nil},
		{rail.Paid, paid | ended, []string{isEnded}},
		{rail.Paid, paid | givenBack, []string{isGivenBack}},
		{rail.Paid, ended, []string{isEnded, notPaid}},
		{rail.Expired, 0, []string{noEnd}},
		{rail.Expired, ended, []string{noVersion}},
		{rail.Expired, givenBack, []string{noEnd}},
		{rail.Expired, ended | givenBack, nil},
		{rail.Expired, paid | ended | givenBack, []string{isPaid}},
		{rail.Expired, paying | ended | givenBack, []string{isPaying}},
		{rail.Cancelled, 0, []string{noEnd}},
		{rail.Cancelled, ended, []string{noVersion}},
		{rail.Cancelled, ended | givenBack, nil},
		{rail.Cancelled, paid | ended | givenBack, nil},
		{rail.Cancelled, paid | givenBack, []string{noEnd}},
		{rail.Cancelled, paying | ended | givenBack, nil},
		{rail.Cancelled, paying | paid | ended | givenBack, nil},
	} {
		o := &ledger.WrittenOrder{}
		o.State = c.state
		if c.has&paid != 0 {
			o.PaidAt, o.PaymentID = time.Unix(1, 0).UTC(), "0123456789abcdef"
		}
		if c.has&paying != 0 {
			o.PayingAt, o.CaptureBy, o.PaymentID = time.Unix(1, 0).UTC(), time.Unix(2, 0).UTC(), "0123456789abcdef"
			o.StateReason = map[rail.OrderState]string{rail.Cancelled: ledger.PaymentNotCompleted}[c.state]
		}
		if c.has&ended != 0 {
			o.EndedAt = time.Unix(2, 0).UTC()
		}
		if c.has&givenBack != 0 {
			o.EndedVersion = 7
		}
		var want []string
		for _, defect := range c.defects {
			want = append(want, "it is "+string(c.state)+", and "+defect)
		}
		report := &Report{OK: true}
		v := verifier{AuditSnapshot: &ledger.AuditSnapshot{}, report: report}
		v.verifyState(o)
		var got []string
		for _, defect := range report.Defects {
			require.Equal(t, CheckState, defect.Check)
			got = append(got, defect.Message)
		}
		require.Equal(t, want, got, "%s with %03b", c.state, c.has)
	}
}
