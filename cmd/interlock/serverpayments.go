package main

import (
	"context"
	"fmt"
	"os"

	"interlock/services/gateway"
	"interlock/services/messages"
	"interlock/services/pay/payrpc"
	"interlock/services/rail"
)

// wirePayments opens what takes payments that need time: in this process, or in the one at --pay-url. What the sale is
// given is the same.
func (s *Server) wirePayments(ctx context.Context) error {
	switch {
	case !s.settings.paysInTime():
		return nil
	case s.settings.PayURL != "":
		return s.openPayClient()
	}
	bankURL := ""
	if s.settings.hasOwnBank() {
		var err error
		if s.bank, err = openBank(ctx, s.settings, s.log, s.URL()); err != nil {
			return fmt.Errorf("the sandbox bank: %w", err)
		}
		s.stores.close = append(s.stores.close, s.bank.Close)
		bankURL = s.bank.url()
	}
	var err error
	if s.payments, err = openPayments(ctx, s.settings, s.log, s.stores, bankURL, returnPage(s.URL())); err != nil {
		return err
	}
	s.stores.close = append(s.stores.close, s.payments.Close)
	return nil
}

func (s *Server) openPayClient() error {
	access, err := payAccess(s.settings)
	if err != nil {
		return err
	}
	s.payClient, err = payrpc.NewClient(payrpc.ClientOptions{URL: s.settings.PayURL, Access: access, Log: s.log})
	if err != nil {
		return fmt.Errorf("--pay-url: %w", err)
	}
	s.stores.close = append(s.stores.close, s.payClient.Close)
	return nil
}

// paymentService takes payments that need time; nil where there are none.
func (s *Server) paymentService() payrpc.Service {
	switch {
	case s.payments != nil:
		return s.payments.service
	case s.payClient != nil:
		return s.payClient
	}
	return nil
}

// paymentsAtOnce is how many events of payments a server handles at once: those of a run share commits.
const paymentsAtOnce = 64

// newTaken makes the consumer of payments' events. Its name is the same after a restart, so that it goes on with what
// it had.
func (s *Server) newTaken(handler messages.Handler) (*messages.Consumer, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	return &messages.Consumer{
		Queue: s.stores.payments, Log: s.log, Group: saleGroup, Name: host + "/" + s.listener.Addr().String(),
		Handler: handler, Parallel: paymentsAtOnce,
	}, nil
}

// paymentLoops are what runs beside the server for payments.
func (s *Server) paymentLoops() []func(context.Context) {
	var loops []func(context.Context)
	if s.bank != nil {
		loops = append(loops, s.bank.run)
	}
	if s.payments != nil {
		loops = append(loops, s.payments.run)
	}
	if s.taken != nil {
		loops = append(loops, func(ctx context.Context) {
			// Where it fails, the consumer makes the group later, and the log says so.
			_ = s.stores.payments.MakeGroup(ctx, saleGroup)
			_ = s.taken.Run(ctx) // The group's name is a right one.
		})
	}
	return loops
}

// paymentsCheck tells how payments stand; nil where they take no time. It decides nothing: seats are sold without them.
func (s *Server) paymentsCheck() *gateway.Check {
	switch {
	case s.payments != nil:
		return &gateway.Check{Name: "payments", Ready: func(ctx context.Context) (string, error) {
			return s.payments.stands(ctx), nil
		}}
	case s.payClient != nil:
		return &gateway.Check{Name: "payments", Ready: func(ctx context.Context) (string, error) {
			switch rail.CodeOf(s.payClient.Ready(ctx)) {
			case "":
				return "interlock pay answers", nil
			case rail.Unauthenticated:
				return "interlock pay refuses our secret or certificate: orders cannot be paid", nil
			}
			return "interlock pay does not answer: orders cannot be paid", nil
		}}
	}
	return nil
}
