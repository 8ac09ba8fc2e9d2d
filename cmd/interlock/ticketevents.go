package main

import (
	"context"
	"errors"
	"os"

	"interlock/services/ledger"
	"interlock/services/messages"
)

const (
	// ticketsGroup are the consumers of orders' events in every server, for what follows refunds and changes.
	ticketsGroup = "tickets"
	// ticketsAtOnce is how many events a server handles at once: each asks the payments.
	ticketsAtOnce = 16
)

// newFollowing makes the consumer of orders' events. Its name is the same after a restart, so that it goes on with what
// it had.
func (s *Server) newFollowing() (*messages.Consumer, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	return &messages.Consumer{
		Queue: s.stores.messages, Log: s.log, Group: ticketsGroup, Name: host + "/" + s.listener.Addr().String(),
		Handler: s.follow, Parallel: ticketsAtOnce,
	}, nil
}

// follow does what follows an order's event: the money of refunds goes back, and a change is finished once its new
// order was paid or cancelled. A new order that expires is left to the sweep of due changes: holds expire by the
// thousand, and an event does not say which of them a change has placed.
func (s *Server) follow(ctx context.Context, e ledger.Event) error {
	switch e.Type {
	case ledger.EventOrderRefunded, ledger.EventOrderChanged:
		return s.service.RefundEvent(ctx, e)
	case ledger.EventOrderCancelled:
		return errors.Join(s.service.RefundEvent(ctx, e), s.service.ChangeEvent(ctx, e))
	case ledger.EventOrderPaid:
		return s.service.ChangeEvent(ctx, e)
	}
	return nil
}

// runFollowing handles orders' events until ctx ends.
func (s *Server) runFollowing(ctx context.Context) {
	// Where it fails, the consumer makes the group later, and the log says so.
	_ = s.stores.messages.MakeGroup(ctx, ticketsGroup)
	_ = s.following.Run(ctx) // The group's name is a right one.
}
