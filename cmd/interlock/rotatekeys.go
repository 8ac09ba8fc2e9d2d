package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"interlock/internal/pause"
	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/notify/sqlnotify"
	"interlock/services/rail"
)

type rotateKeysCommand struct{}

const (
	// maxRotations is how often all tickets are gone through. The second round finds only what servers have sealed
	// meanwhile that did not have the first key yet.
	maxRotations = 5
	// rotatePause is the pause between two pages, since the primary sells meanwhile.
	rotatePause = 10 * time.Millisecond
	// maxFailures and rotateRetry are how often in a row, and how soon, a page is tried again. Together they are longer
	// than a failover.
	maxFailures = 30
	rotateRetry = time.Second
	// rotateTold is the least time between two lines of progress in the log.
	rotateTold = 10 * time.Second
)

// Run seals the secrets of webhooks and every passenger with the first of --personal-data-keys, while servers sell, and
// then looks whether another key is still in use. It may be interrupted and run again.
func (rotateKeysCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	opened, err := openAsTheyAre(ctx, settings, log)
	if err != nil {
		return err
	}
	err = rotateEndpoints(ctx, settings, log, out)
	if err == nil {
		err = rotate(ctx, opened.ledger, log, out)
	}
	return errors.Join(err, opened.Close())
}

// rotateEndpoints seals the secrets of webhooks with the first key, where there is a database of notifications.
func rotateEndpoints(ctx context.Context, s *Settings, log *slog.Logger, out io.Writer) error {
	if !s.notifies() && s.NotifyURL == "" && len(s.NotifyMySQL) == 0 {
		return nil
	}
	options, err := notifyOptions(s)
	if err != nil {
		return err
	}
	if s.embedded() {
		if _, err := os.Stat(options.Path); errors.Is(err, fs.ErrNotExist) {
			return nil // No server has made it.
		}
	}
	if options.Keyring, err = personalDataKeys(s); err != nil {
		return err
	}
	options.Log = log
	store, err := sqlnotify.Open(ctx, options)
	if err != nil {
		return fmt.Errorf("the notifications' database: %w", err)
	}
	done, err := store.Reseal(ctx)
	switch {
	case err != nil:
		err = fmt.Errorf("the notifications' database: %w", err)
	case done.Endpoints > 0:
		fmt.Fprintf(out, "%s, %d of them sealed anew\n", count(done.Endpoints, "webhook"), done.Sealed)
	}
	if err == nil && done.Unreadable > 0 {
		fmt.Fprintf(out, "the secrets of %s cannot be opened with any of the keys: give each a new one (changeWebhook)\n",
			count(done.Unreadable, "webhook"))
	}
	return errors.Join(err, store.Close())
}

func rotate(ctx context.Context, l *sqlledger.Ledger, log *slog.Logger, out io.Writer) error {
	if err := l.CheckKeys(ctx); err != nil {
		return err
	}
	keys := l.Keys()
	anew := 0
	for range maxRotations {
		done, err := rotateAll(ctx, l, log)
		anew += done.Sealed
		switch {
		case err != nil:
			return err
		case done.Sealed > 0:
			continue
		case done.Unreadable > 0:
			fmt.Fprintf(out,
				"%s cannot be opened with any of the keys, and stayed as they are: interlock verify names their "+
					"orders\n",
				count(done.Unreadable, "passenger"))
			return errFound
		}
		if err := l.RetireKeys(ctx); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s, %d of them sealed anew: all are sealed with %s\n", count(done.Tickets, "passenger"), anew,
			keys[0])
		if len(keys) > 1 {
			fmt.Fprintf(out, "no longer needed: %s\n", strings.Join(keys[1:], ", "))
		}
		return nil
	}
	fmt.Fprintf(out,
		"%d passengers were sealed anew, and still some are not sealed with %s: a server has another key first in "+
			"its --personal-data-keys\n",
		anew, keys[0])
	return errFound
}

// resealer is the part of the ledger that seals anew.
type resealer interface {
	Reseal(ctx context.Context, after string) (sqlledger.Resealed, error)
}

// rotateAll goes through all tickets once.
func rotateAll(ctx context.Context, l resealer, log *slog.Logger) (sqlledger.Resealed, error) {
	var all sqlledger.Resealed
	told, failures := time.Now(), 0
	for {
		page, err := l.Reseal(ctx, all.Next)
		if (rail.CodeOf(err) == rail.Unavailable || errors.Is(err, ledger.ErrInDoubt)) && failures < maxFailures {
			// A sale has locked a row, or the primary changes, perhaps during a commit. The next try passes over what
			// is sealed anew already.
			failures++
			if !pause.For(ctx, rotateRetry) {
				return all, ctx.Err()
			}
			continue
		}
		if err != nil {
			return all, err
		}
		failures = 0
		all.Next = page.Next
		all.Tickets += page.Tickets
		all.Sealed += page.Sealed
		all.Unreadable += page.Unreadable
		if page.Next == "" {
			return all, nil
		}
		if time.Since(told) >= rotateTold {
			told = time.Now()
			log.InfoContext(ctx, "sealing with the first key", "passengers", all.Tickets, "sealed_anew", all.Sealed)
		}
		if !pause.For(ctx, rotatePause) {
			return all, ctx.Err()
		}
	}
}
