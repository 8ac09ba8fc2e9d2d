package paytest

import (
	"context"
	"time"

	"interlock/services/pay"
)

// Start starts one payment in a commit of its own.
func Start(ctx context.Context, s pay.Store, p *pay.Payment, payFor time.Duration) (*pay.Payment, bool, error) {
	written, err := s.Update(ctx, pay.Batch{Starts: []pay.Start{{Payment: *p, PayFor: payFor}}})
	if err != nil {
		return nil, false, err
	}
	one := written.Started[0]
	return one.Payment, one.Created, one.Err
}

// Change changes payments in one commit.
func Change(ctx context.Context, s pay.Store, changes []pay.Change) ([]error, error) {
	written, err := s.Update(ctx, pay.Batch{Changes: changes})
	return written.Errs, err
}

// Heed writes one webhook in a commit of its own.
func Heed(ctx context.Context, s pay.Store, provider string, n pay.Notice, body []byte) error {
	_, err := s.Update(ctx, pay.Batch{Notices: []pay.Heeded{{Provider: provider, Notice: n, Body: body}}})
	return err
}

// HeededBefore tells whether one webhook was written.
func HeededBefore(ctx context.Context, s pay.Store, provider, id string) (bool, error) {
	before, err := s.HeededBefore(ctx, provider, []string{id})
	if err != nil {
		return false, err
	}
	return before[0], nil
}
