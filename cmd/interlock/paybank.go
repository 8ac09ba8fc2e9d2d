package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"interlock/services/bank"
	"interlock/services/pay/webhooks"
)

// bankAddressFile notes where the bank of the embedded default serves, in the data folder: pages that buyers have open
// are there after a restart, too.
const bankAddressFile = "bank-address"

// ownBank is the sandbox bank of the embedded default.
type ownBank struct {
	bank     *bank.Bank
	listener net.Listener
	log      *slog.Logger
}

// hasOwnBank tells whether a server with these settings has a bank of its own.
func (s *Settings) hasOwnBank() bool {
	return s.payments() == bankPayments && s.embedded() && s.BankURL == "" && s.PayURL == ""
}

// openBank opens the bank, which tells the server at a URL of payments.
func openBank(ctx context.Context, s *Settings, log *slog.Logger, tells string) (*ownBank, error) {
	options, err := sandboxBankCommand{WebhookURL: tells + webhooks.Path + bankPayments}.options(s, log)
	if err != nil {
		return nil, err
	}
	listener, err := listenAgain(ctx, filepath.Join(s.Data, bankAddressFile))
	if err != nil {
		return nil, err
	}
	b := &ownBank{listener: listener, log: log}
	options.URL = b.url()
	if b.bank, err = bank.Open(options); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return b, nil
}

// listenAgain listens on loopback at the address that a file has, or at any, and notes it there.
func listenAgain(ctx context.Context, file string) (net.Listener, error) {
	var listen net.ListenConfig
	if noted, err := os.ReadFile(file); err == nil {
		if listener, err := listen.Listen(ctx, "tcp", strings.TrimSpace(string(noted))); err == nil {
			return listener, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if err := writeFile(file, []byte(listener.Addr().String())); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// notedBank is where the bank of a data folder is, or was.
func notedBank(s *Settings) (string, error) {
	noted, err := os.ReadFile(filepath.Join(s.Data, bankAddressFile))
	if err != nil {
		return "", err
	}
	return "http://" + strings.TrimSpace(string(noted)), nil
}

func (b *ownBank) url() string { return "http://" + b.listener.Addr().String() }

// run serves until ctx ends.
func (b *ownBank) run(ctx context.Context) {
	if err := serveBank(ctx, b.listener, b.bank, b.log); err != nil {
		b.log.ErrorContext(ctx, "the sandbox bank has ended", "error", err)
	}
}

// Close ends what the bank does by itself.
func (b *ownBank) Close() error {
	_ = b.listener.Close() // It is closed where the bank was served.
	return b.bank.Close()
}
