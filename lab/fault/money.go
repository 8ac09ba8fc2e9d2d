package fault

import (
	"context"
	"fmt"
	"slices"
	"time"

	"interlock/internal/servers"
	"interlock/lab/cluster"
	"interlock/lab/fault/check"
	"interlock/services/bank"
	"interlock/services/ledger/sqlledger"
	"interlock/services/pay"
	"interlock/services/pay/sqlpay"
	"interlock/services/pay/stripepay"
	"interlock/services/rail"
)

// settleMoney looks at the bank, the payments and the orders until all money is where it belongs, or its time is over.
// It comes before the last change is said to be over: the money may still decide about an order.
func (p *play) settleMoney(ctx context.Context, e *evidence) (r *check.Result, err error) {
	if p.fault.Reconciles {
		healed, err := p.cluster.Reconcile(ctx)
		if err != nil {
			return nil, err
		}
		p.result.Injected.Facts["healed_by_reconciliation"] = healed
	}
	since := time.Now()
	store, err := openPayments(ctx, p.cluster, e.primary)
	if err != nil {
		return nil, fmt.Errorf("opening the payments: %w", err)
	}
	defer store.Close()
	took, err := until(ctx, since, check.MoneyTime, func() (bool, error) {
		charges, err := chargesOf(ctx, p.cluster, e.ids)
		if err != nil {
			return false, err
		}
		if p.payments, err = paymentsOf(ctx, store, e.ids); err != nil {
			return false, err
		}
		snapshots, err := e.snapshots(ctx)
		if err != nil {
			return false, err
		}
		r = check.Money(charges, p.payments, snapshots)
		return r.OK, nil
	})
	if err == nil {
		r.Figures["settled_after_seconds"] = took.Seconds()
	}
	return r, err
}

// openPayments opens the payments' database on the member that is the primary.
func openPayments(ctx context.Context, c *cluster.Cluster, primary *servers.SQLServer) (*sqlpay.Store, error) {
	return sqlpay.Open(ctx, sqlledger.Options{
		DSN: c.Members().DSN(primary, cluster.PaymentsDatabase), ClusterDatabase: cluster.Database,
	})
}

// paymentsPage is how many payments are read at a time.
const paymentsPage = 1_000

// paymentsOf are all payments of some runs.
func paymentsOf(ctx context.Context, store *sqlpay.Store, runs []rail.RunID) (all []*pay.Payment, err error) {
	after := pay.Place{}
	for {
		page, err := store.Changed(ctx, nil, time.Time{}, after, paymentsPage)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			after = pay.Place{At: p.ChangedAt, ID: p.ID}
			if slices.Contains(runs, p.RunID) {
				all = append(all, p)
			}
		}
		if len(page) < paymentsPage {
			return all, nil
		}
	}
}

// chargesOf are all that the bank has of some runs, in our words.
func chargesOf(ctx context.Context, c *cluster.Cluster, runs []rail.RunID) (all []pay.Charge, err error) {
	found, err := c.Payments().Charges(ctx)
	if err != nil {
		return nil, err
	}
	for i := range found {
		if run, _ := rail.RunOfOrder(found[i].OrderID); !slices.Contains(runs, run) {
			continue
		}
		one, err := chargeOf(&found[i])
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// statuses are ours by the bank's.
var statuses = map[string]pay.ChargeStatus{
	"open": pay.ChargeOpen, "expired": pay.ChargeClosed, "canceled": pay.ChargeClosed,
	"requires_capture": pay.ChargeAuthorised, "succeeded": pay.ChargeCaptured,
}

func chargeOf(c *bank.Charge) (pay.Charge, error) {
	one := pay.Charge{
		PaymentID: c.PaymentID, OrderID: c.OrderID, Reference: c.Session, Status: statuses[c.Status],
		CreatedAt: time.Unix(c.CreatedAt, 0),
	}
	if one.Status == "" {
		return one, fmt.Errorf("the bank's charge %s is %q, which is no state of one", c.Session, c.Status)
	}
	for _, figure := range []struct {
		units int64
		into  *int64
	}{
		{c.Authorised, &one.Authorised},
		{c.Captured, &one.Captured},
		{c.Released, &one.Released},
		{c.Refunded, &one.Refunded},
	} {
		amount, err := stripepay.Money(c.Currency, figure.units)
		if err != nil {
			return one, err
		}
		*figure.into, one.Currency = amount.Minor, amount.Currency
	}
	return one, nil
}
