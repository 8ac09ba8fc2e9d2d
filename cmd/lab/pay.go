package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime"
	"time"

	"interlock/lab/cluster"
	"interlock/lab/load"
	"interlock/lab/pay"
)

type payCommand struct {
	measureFlags
	Seconds   int           `default:"20" help:"How long each half of a round is: without payments, and with them."`
	Rounds    int           `default:"3" help:"How many rounds; a figure is their median."`
	Share     float64       `default:"0.5" help:"What part of what the server can sell is sold meanwhile."`
	PerSecond float64       `default:"100" help:"How many payments are begun in a second."`
	Think     time.Duration `default:"1s" help:"How long the bank takes to open one."`
}

// payLimit is what `lab pay` may take altogether.
const payLimit = 10 * time.Minute

// Run measures, and prints what it measured.
func (c payCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) error {
	run := func(ctx context.Context, up *cluster.Cluster, _ time.Duration) (*pay.Report, error) {
		const buyers, dates = 1_024, 200
		server := up.Servers()[0]
		return pay.Run(ctx, pay.Options{
			Server: server.Addr(), Pids: []int{server.Pid(), up.Payments().Service.Pid()}, Tokens: up.Tokens(),
			Bank: up.Payments(), Window: time.Duration(c.Seconds) * time.Second, Rounds: max(c.Rounds, 1),
			Buyers: buyers, Share: c.Share, PerSecond: c.PerSecond, Think: c.Think, Train: "G9",
			SeatsPerClass: load.SeatsPerClass, Dates: dates,
			Command: commandLine(), Log: log, Versions: map[string]string{
				string(up.Flavor()): up.Primary.Version(), "Redis": up.Cache.Version(), "Go": runtime.Version(),
			},
		})
	}
	mails, err := os.MkdirTemp("", "interlock-lab-mails-")
	if err != nil {
		return err
	}
	o := cluster.Options{Log: log, Bank: true, MessagesApart: true, MailFolder: mails}
	return errors.Join(measure(ctx, c.measureFlags, o, payLimit, out, run, pay.Text), os.RemoveAll(mails))
}
