package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"interlock/services/failover"
	"interlock/services/ledger/sqlledger"
)

// failoverCommand looks after the members of a MySQL cluster.
type failoverCommand struct {
	Supervise failoverRunCommand     `cmd:"" name:"run" default:"1" help:"Watch, and take over when the primary dies."`
	Open      failoverOpenCommand    `cmd:"" help:"Make a member writable: the first start, and whenever none is."`
	Promote   failoverPromoteCommand `cmd:"" help:"Make another member the primary, in order."`
	Status    failoverStatusCommand  `cmd:"" help:"Show the cluster."`
	Exclude   failoverExcludeCommand `cmd:"" help:"Put a replica off the list of those that count."`
	Include   failoverIncludeCommand `cmd:"" help:"Put a member back on the list, and let it follow."`
	Epoch     failoverEpochCommand   `cmd:"" help:"Raise the epoch, after something else has promoted a member."`
}

// openSupervisor makes the supervisor that the settings describe.
func openSupervisor(s *Settings, log *slog.Logger) (*failover.Supervisor, error) {
	if len(s.FailoverMembers) == 0 || s.ReplicationUser == "" {
		return nil, errors.New("failover needs --failover-members and --replication-user")
	}
	return failover.New(failover.Options{
		Members:     s.FailoverMembers,
		Replication: failover.Login{User: s.ReplicationUser, Password: s.ReplicationPassword},
		Prepare: func(ctx context.Context, dsn string) error {
			return sqlledger.Migrate(ctx, sqlledger.Options{DSN: dsn})
		},
		JumpVersions: sqlledger.JumpVersionsBeforeOpening,
		Who:          whoami(),
		Log:          log,
	})
}

// supervising does something with the supervisor, and closes it.
func supervising(s *Settings, log *slog.Logger, do func(*failover.Supervisor) error) error {
	supervisor, err := openSupervisor(s, log)
	if err != nil {
		return err
	}
	return errors.Join(do(supervisor), supervisor.Close())
}

// whoami is the user and the machine, to be recorded with an exclusion.
func whoami() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

type failoverRunCommand struct{}

// Run supervises until it is told to stop.
func (failoverRunCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger) error {
	return supervising(settings, log, func(supervisor *failover.Supervisor) error { return supervisor.Supervise(ctx) })
}

// failoverHelp is a help text that is too long for a line of the struct below.
var failoverHelp = kong.Vars{
	"acceptLoss": "Go on although a member that may hold answered orders does not answer, or is not in the list. " +
		"They are lost; rebuild Redis afterwards.",
}

type failoverOpenCommand struct {
	Member     string `arg:"" optional:"" help:"The member to open; else one that has everything."`
	AcceptLoss bool   `help:"${acceptLoss}"`
}

// Run exits with 1 when no member may be opened, and says why.
func (c failoverOpenCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	return supervising(settings, log, func(supervisor *failover.Supervisor) error {
		opening, err := supervisor.Open(ctx, failover.OpenOptions{Member: c.Member, AcceptLoss: c.AcceptLoss})
		return tell(out, opening, err)
	})
}

type failoverPromoteCommand struct {
	Member string `arg:"" help:"The member to promote, host:port."`
}

// Run exits with 1 when the member may not be promoted, and says why.
func (c failoverPromoteCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	return supervising(settings, log, func(supervisor *failover.Supervisor) error {
		opening, err := supervisor.Promote(ctx, c.Member)
		return tell(out, opening, err)
	})
}

type failoverEpochCommand struct{}

// Run raises the epoch.
func (failoverEpochCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	return supervising(settings, log, func(supervisor *failover.Supervisor) error {
		opening, err := supervisor.Epoch(ctx)
		return tell(out, opening, err)
	})
}

// tell prints what came of an opening.
func tell(out io.Writer, o failover.Opening, err error) error {
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s is the primary, epoch %d", o.Primary, o.Epoch)
	if o.Already {
		text += " (it was before)"
	}
	if len(o.Left) > 0 {
		text += "; left behind: " + strings.Join(o.Left, ", ")
	}
	if o.Loss {
		text += "; answered orders may be lost, and all versions were raised: run interlock rebuild"
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

type failoverExcludeCommand struct {
	Member  string `arg:"" help:"The member to exclude, host:port."`
	Reason  string `help:"Why it is excluded. The record keeps it." default:""`
	Stopped bool   `help:"It does not answer: you vouch that it is stopped and does not come back by itself."`
}

// Run excludes a member.
func (c failoverExcludeCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger) error {
	return supervising(settings, log, func(supervisor *failover.Supervisor) error {
		return supervisor.Exclude(ctx, c.Member, c.Reason, c.Stopped)
	})
}

type failoverIncludeCommand struct {
	Member string `arg:"" help:"The member to include, host:port."`
}

// Run includes a member. If the member has to be rebuilt, the command returns when it is rebuilt. A person then starts
// it and includes it again.
func (c failoverIncludeCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger) error {
	return supervising(settings, log,
		func(supervisor *failover.Supervisor) error { return supervisor.Include(ctx, c.Member) })
}

type failoverStatusCommand struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

// Run exits with 1 when the cluster is not as it should be, and with 2 when no member answers.
func (c failoverStatusCommand) Run(ctx context.Context, settings *Settings, log *slog.Logger, out io.Writer) error {
	return supervising(settings, log, func(supervisor *failover.Supervisor) error {
		s := supervisor.Status(ctx)
		if c.JSON {
			if err := json.NewEncoder(out).Encode(s); err != nil {
				return err
			}
		} else if err := printStatus(out, s); err != nil {
			return err
		}
		switch {
		case s.OK:
			return nil
		case !slices.ContainsFunc(s.Members, func(m failover.Member) bool { return m.Answers() }):
			return errors.New("no member answers")
		}
		return errFound
	})
}

func printStatus(out io.Writer, s failover.Status) error {
	verdict := "the cluster is well"
	if !s.OK {
		verdict = s.Reason
	}
	lines := []string{fmt.Sprintf("primary %s, epoch %d: %s", orNone(s.Primary), s.Epoch, verdict)}
	for i := range s.Members {
		lines = append(lines, memberLine(&s.Members[i]))
	}
	_, err := fmt.Fprintln(out, strings.Join(lines, "\n"))
	return err
}

func orNone(name string) string {
	if name == "" {
		return "none"
	}
	return name
}

func memberLine(m *failover.Member) string {
	if !m.Answers() {
		return m.Name + "  does not answer: " + m.Problem
	}
	words := []string{m.Name, "MySQL " + m.Version}
	switch {
	case !m.ReadOnly:
		words = append(words,
			fmt.Sprintf("writable, %d replicas acknowledge, %d commits wait", m.Source.Clients, m.Source.Waiting))
	case m.Cloning:
		words = append(words, "being rebuilt")
	case m.Receiver == nil:
		words = append(words, "read-only, follows nobody")
	default:
		words = append(words, fmt.Sprintf("read-only, follows %s (%s)", m.Receiver.Source, m.Receiver.State))
	}
	words = append(words, m.Wrong...)
	for _, gone := range m.Record.Absent {
		if !m.ReadOnly { // only the primary's list is the last word
			words = append(words, fmt.Sprintf("%s does not count since %s (%s, %s: %s)",
				gone.Member, gone.Since.Format("2006-01-02T15:04:05Z"), gone.State, gone.By, gone.Reason))
		}
	}
	return strings.Join(words, "  ")
}
