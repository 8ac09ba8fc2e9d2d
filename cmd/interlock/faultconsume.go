//go:build fault

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"interlock/cmd/interlock/failpoints"
	"interlock/cmd/interlock/failpoints/effects"
	"interlock/services/availability"
	"interlock/services/messages"
	"interlock/services/messages/streams"
)

// FaultCommands are commands of the build that is not shipped.
type FaultCommands struct {
	Consume consumeCommand `cmd:"" hidden:"" help:"Consume events, and note their effects."`
}

// consumeCommand consumes the events of --messages until it is told to stop. Once its groups exist, it listens at
// --listen, and says nothing there.
type consumeCommand struct {
	Effects   string   `required:"" help:"The log of effects." placeholder:"FILE"`
	Consumers []string `arg:"" name:"group/name" help:"The consumers; with @payments, of the events of payments."`
}

// consumeTimeout is how long a handler may take: the lab does not want to wait long until one consumer takes over what
// another has left.
const consumeTimeout = 2 * time.Second

// consumeAtOnce is how many events a consumer handles at once, all of different subjects.
const consumeAtOnce = 8

// Run consumes.
func (c consumeCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger) (err error) {
	client, err := availability.Connect(messagesRedis(settings, availability.Options{}))
	if err != nil {
		return fmt.Errorf("--messages: %w", err)
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	noted, err := effects.Open(ctx, c.Effects)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, noted.Close()) }()
	var control *failpoints.Control
	if path := os.Getenv(failpoints.ControlVariable); path != "" {
		if control, err = failpoints.Listen(path, failpoints.Limit); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, control.Close()) }()
	}
	var consuming sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	defer func() { stop(); consuming.Wait() }()
	for _, who := range c.Consumers {
		who, payments := strings.CutSuffix(who, "@payments")
		queue := streams.New(client, streams.Events)
		if payments {
			queue = streams.New(client, streams.Payments)
		}
		group, name, _ := strings.Cut(who, "/")
		consumer := &messages.Consumer{
			Queue: queue, Log: log, Group: group, Name: name, Handler: noted.Handler(group, name),
			HandleTimeout: consumeTimeout, Parallel: consumeAtOnce,
		}
		if control != nil {
			control.Consumer(consumer)
		}
		if err := errors.Join(messages.CheckGroup(group), queue.MakeGroup(ctx, group)); err != nil {
			return err
		}
		consuming.Go(func() { _ = consumer.Run(ctx) }) // its error is of the group's name, which was checked
	}
	listener, err := net.Listen("tcp", settings.Listen)
	if err != nil {
		return err
	}
	<-ctx.Done()
	return listener.Close()
}
