package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"interlock/resolvers"
	"interlock/services/gateway"
	"interlock/services/notify/notifyrpc"
	"interlock/services/notify/orderbook"
	"interlock/services/rail"
	"interlock/services/rpc"
)

// orderPage is the page of a server where a buyer finds an order.
func orderPage(url string) string { return url + "/playground?order=" + orderIDPlace }

// wireNotify opens what tells buyers and partners: in this process, or in the one at --notify-url, which reads orders
// here. What the resolvers are given is the same.
func (s *Server) wireNotify(ctx context.Context) error {
	s.book = &orderbook.Book{Ledger: s.stores.ledger, Timetable: s.timetable, PageID: resolvers.OrderID}
	if s.signer != nil {
		s.book.Signer = s.signer
	}
	if s.settings.NotifyURL != "" {
		return s.openNotifyClient(ctx)
	}
	if !s.settings.notifies() {
		return nil
	}
	var err error
	s.notifications, err = openNotifications(ctx, s.settings, s.log, s.stores, s.book, s.listener.Addr().String(),
		orderPage(s.URL()))
	if err != nil {
		return err
	}
	s.stores.close = append(s.stores.close, s.notifications.Close)
	return nil
}

// openNotifyClient makes the client of interlock notify, and listens for its questions about orders.
func (s *Server) openNotifyClient(ctx context.Context) error {
	access, err := notifyAccess(s.settings)
	if err != nil {
		return err
	}
	if err := s.settings.checkCallsExposure(ctx, s.settings.ListenOrders, access, "--notify"); err != nil {
		return err
	}
	s.notifyClient, err = notifyrpc.NewServiceClient(notifyrpc.ClientOptions{
		URL: s.settings.NotifyURL, Access: access, Log: s.log,
	})
	if err != nil {
		return fmt.Errorf("--notify-url: %w", err)
	}
	s.stores.close = append(s.stores.close, s.notifyClient.Close)
	mux := http.NewServeMux()
	mux.Handle(notifyrpc.OrdersPath, notifyrpc.NewOrdersHandler(s.book, access, s.log))
	if s.ordersServer, err = rpc.NewServer(answeredWithin(probeTimeout, mux), access.Certificates, s.log); err != nil {
		return err
	}
	var listen net.ListenConfig
	if s.ordersListener, err = listen.Listen(ctx, "tcp", s.settings.ListenOrders); err != nil {
		return fmt.Errorf("--listen-orders: %w", err)
	}
	return nil
}

// checkCallsExposure refuses to take calls without a secret or certificates where other machines can call. settings is
// how the names of the settings begin that would close it.
func (s *Settings) checkCallsExposure(ctx context.Context, listen string, access rpc.Access, settings string) error {
	if access.Closed() {
		return nil
	}
	at := Settings{Listen: listen} // Names and proxies are those of servers.
	why, err := at.exposed(ctx)
	if err != nil || why == "" {
		return err
	}
	return fmt.Errorf("%s, and every machine that reaches it could read who travels: give %s-secret-file, or %s-ca "+
		"with %s-cert and %s-key", why, settings, settings, settings, settings)
}

// notifyService lists what was sent, and sends it again; nil where notifications are off.
func (s *Server) notifyService() notifyrpc.Service {
	switch {
	case s.notifications != nil:
		return s.notifications.service
	case s.notifyClient != nil:
		return s.notifyClient
	}
	return nil
}

// runNotify tells until ctx ends, and answers questions about orders.
func (s *Server) runNotify(ctx context.Context) {
	if s.notifications != nil {
		s.notifications.run(ctx)
	}
	if s.ordersServer == nil {
		return
	}
	served := make(chan error, 1)
	go func() { served <- s.ordersServer.Serve(s.ordersListener) }()
	select {
	case err := <-served:
		s.log.ErrorContext(ctx, "questions about orders are not answered any more", "error", err)
		<-ctx.Done()
	case <-ctx.Done():
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := errors.Join(s.ordersServer.Shutdown(limited), <-served); err != nil {
			s.log.WarnContext(ctx, "questions about orders were cut off", "error", err)
		}
	}
}

// notifyCheck tells how notifications stand; nil where there are none. It decides nothing: seats are sold without them.
func (s *Server) notifyCheck() *gateway.Check {
	switch {
	case s.notifications != nil:
		return &gateway.Check{Name: "notifications", Ready: func(ctx context.Context) (string, error) {
			return s.notifications.stands(ctx), nil
		}}
	case s.notifyClient != nil:
		return &gateway.Check{Name: "notifications", Ready: func(ctx context.Context) (string, error) {
			switch rail.CodeOf(s.notifyClient.Ready(ctx)) {
			case "":
				return "interlock notify answers", nil
			case rail.Unauthenticated:
				return "interlock notify refuses our secret or certificate", nil
			}
			return "interlock notify does not answer: buyers are told later", nil
		}}
	}
	return nil
}
