package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"interlock/services/bank"
	"interlock/services/identity"
)

// The files in the data folder that the sandbox bank shares with the servers that are paid through it.
const (
	bankFolder            = "bank"
	bankKeyFile           = "bank-key"
	bankWebhookSecretFile = "bank-webhook-secret"
)

// The bounds of the bank's connections. A call may be made to hang, so nothing bounds an answer.
const (
	bankHeaderTimeout = 5 * time.Second
	bankReadTimeout   = 10 * time.Second
	bankIdleTimeout   = 2 * time.Minute
	bankCloseTimeout  = time.Second
	bankHeaderBytes   = 16 << 10
)

// sandboxBankCommand is a bank that takes no money, for trying out payments.
type sandboxBankCommand struct {
	Address    string `default:"127.0.0.1:8090" help:"The address of the bank."`
	URL        string `name:"public-url" help:"Where browsers reach it, if not there."`
	WebhookURL string `name:"webhook-url" help:"Where payments are told of; without it, nowhere." placeholder:"URL"`
	KeyFile    string `help:"The file with the API's key; else bank-key in --data." placeholder:"FILE"`
	SignFile   string `help:"The file with the webhooks' secret; else bank-webhook-secret there." placeholder:"FILE"`
	InMemory   bool   `help:"Keep no journal: all payments are forgotten at the end."`
}

// Run serves the bank until it is told to stop.
func (c sandboxBankCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	at := *settings
	at.Listen, at.Hosts, at.TrustedProxies = c.Address, nil, nil
	why, err := at.exposed(ctx)
	if err != nil {
		return fmt.Errorf("--address: %w", err)
	}
	if why != "" && !settings.InsecureSandboxPayments {
		return fmt.Errorf("--address %s is not a loopback address, and all who reach the bank pay with no money: "+
			"say --insecure-sandbox-payments", c.Address)
	}
	options, err := c.options(settings, log)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Address)
	if err != nil {
		return err
	}
	if options.URL = c.URL; options.URL == "" {
		options.URL = "http://" + listener.Addr().String()
	}
	opened, err := bank.Open(options)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	told := options.WebhookURL
	if told == "" {
		told = "no server (--webhook-url)"
	}
	const banner = "A sandbox bank. It takes no money.\n  its API and pages  %s\n  it tells           %s\n"
	if _, err := fmt.Fprintf(out, banner, options.URL, told); err != nil {
		return errors.Join(err, opened.Close(), listener.Close())
	}
	return errors.Join(serveBank(ctx, listener, opened, log), opened.Close())
}

// options are the bank's, with secrets that are made where there are none.
func (c sandboxBankCommand) options(settings *Settings, log *slog.Logger) (*bank.Options, error) {
	file := func(given, usual string) string {
		if given != "" {
			return given
		}
		return filepath.Join(settings.Data, usual)
	}
	key, err := identity.DevelopmentSecret(file(c.KeyFile, bankKeyFile))
	if err != nil {
		return nil, err
	}
	secret, err := identity.DevelopmentSecret(file(c.SignFile, bankWebhookSecretFile))
	if err != nil {
		return nil, err
	}
	options := &bank.Options{Key: string(key), WebhookURL: c.WebhookURL, WebhookSecret: string(secret), Log: log}
	if !c.InMemory {
		options.Folder = filepath.Join(settings.Data, bankFolder)
	}
	return options, nil
}

func serveBank(ctx context.Context, listener net.Listener, b *bank.Bank, log *slog.Logger) error {
	server := &http.Server{
		Handler: b.Handler(), ReadHeaderTimeout: bankHeaderTimeout, ReadTimeout: bankReadTimeout,
		IdleTimeout: bankIdleTimeout, MaxHeaderBytes: bankHeaderBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), bankCloseTimeout)
	defer cancel()
	if server.Shutdown(ending) != nil {
		// Calls that are to hang are cut.
		if err := server.Close(); err != nil {
			return err
		}
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
