package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/pay"
	"interlock/services/pay/paytest"
	"interlock/services/pay/stripepay"
)

// printed is what a command has printed until now.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// startBank runs the command, and returns the bank's URL and what ends it.
func startBank(t *testing.T, folder string, command sandboxBankCommand) (url string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var out printed
	ended := make(chan error, 1)
	command.Address = "127.0.0.1:0"
	go func() { ended <- command.Run(ctx, &Settings{Data: folder}, discard(), &out) }()
	pattern := regexp.MustCompile(`its API and pages\s+(http://\S+)\n`)
	require.Eventually(t, func() bool { return pattern.MatchString(out.String()) }, 10*time.Second, time.Millisecond)
	require.Contains(t, out.String(), "It takes no money")
	return pattern.FindStringSubmatch(out.String())[1], func() {
		cancel()
		require.NoError(t, <-ended)
	}
}

// Payments outlive the bank's process. A server with the same folder has its key.
func TestSandboxBank(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	url, stop := startBank(t, folder, sandboxBankCommand{})
	key, err := os.ReadFile(filepath.Join(folder, bankKeyFile))
	require.NoError(t, err)
	provider := func(url string) *stripepay.Provider {
		p, err := stripepay.New(&stripepay.Options{
			Name: "bank", URL: url, Key: strings.TrimSpace(string(key)), ReturnURL: "http://127.0.0.1:8080/",
		})
		require.NoError(t, err)
		return p
	}
	payment := paytest.PaymentToOpen(1)
	charge, err := provider(url).Authorise(t.Context(), payment, "key")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(charge.RedirectURL, url+"/pay/"))
	require.Contains(t, page(t, charge.RedirectURL), "takes no money")
	response, err := http.PostForm(charge.RedirectURL, map[string][]string{"do": {"pay"}})
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	stop()

	url, stop = startBank(t, folder, sandboxBankCommand{})
	payment.Reference = charge.Reference
	charge, err = provider(url).Get(t.Context(), payment)
	require.NoError(t, err)
	require.Equal(t, pay.ChargeAuthorised, charge.Status)
	again, err := provider(url).Authorise(t.Context(), payment, "key")
	require.NoError(t, err)
	require.Equal(t, payment.Reference, again.Reference, "a key outlives the process")
	stop()

	url, stop = startBank(t, folder, sandboxBankCommand{InMemory: true})
	_, err = provider(url).Get(t.Context(), payment)
	require.ErrorIs(t, err, pay.ErrUnknown)
	stop()
}

func TestSandboxBank_Refuses(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	for says, arguments := range map[string][]string{
		"is not a loopback address": {"--address", "0.0.0.0:0"},
		"--address":                 {"--address", "nonsense"},
	} {
		code, out, errs := command(t, folder, append([]string{"sandbox-bank"}, arguments...)...)
		require.Equal(t, exitCouldNotSee, code)
		require.Contains(t, errs, says)
		require.Empty(t, out)
		require.NoDirExists(t, folder)
	}
}
