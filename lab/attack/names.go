package attack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"interlock/lab/cluster"
	"interlock/lab/load"
)

// namesAttack is the attack that servers with other character sets belong to.
const namesAttack = "names"

// hostile are names that end a text of SQL where a server reads it in another character set, or without escapes, and
// change what is around it.
var hostile = []string{
	"中',0,0);UPDATE orders SET total_minor=1;COMMIT;#",
	"' OR 1=1; -- -",
	`\',0,0);UPDATE orders SET total_minor=1;COMMIT;#`,
	"a縗'--",
	"\"; DROP TABLE orders; --",
	"/* */ ' + 1 #",
	"𠮷'0x27",
	"`x` %00 %27",
}

// characterSets are parameters of a DSN that change how a server reads text.
var characterSets = []string{
	"charset=gbk", "charset=gb18030", "character_set_client=gbk", "sql_mode=%27NO_BACKSLASH_ESCAPES%27",
}

// hostileNames buys tickets under hostile names. Each must be on the ticket as it was given.
func hostileNames(ctx context.Context, s *scene) error {
	s.asking(ctx, func(attacker, turn int) (string, reply) {
		name := hostile[turn%len(hostile)]
		token, err := s.passenger(fmt.Sprintf("hostile-%d-%d-%d", s.round, attacker, turn))
		if err != nil {
			return name, failure(err)
		}
		b, err := buy(ctx, s.server.Addr(), token, wish{
			key: "hostile-'\\\"", run: s.attackedRun.ID, from: turn % (load.Calls - 1), to: load.Calls - 1,
			passengers: []traveller{{name, fmt.Sprintf("X%d%06d%02d", s.round, turn, attacker), load.Classes[0]}},
		})
		if len(b.names) == 1 && b.names[0] != name {
			s.find(fmt.Sprintf("the name %q is %q on the ticket", name, b.names[0]))
		}
		return name, heardOf(b, err)
	})
	return nil
}

// readsInOneWay starts servers that are told to read text in another way. None may start, and each must say why. One
// that starts is asked for a ticket under a hostile name: verify shows what that does.
func (l *lab) readsInOneWay(ctx context.Context) ([]Start, error) {
	var all []Start
	for _, parameter := range characterSets {
		start, err := l.startWith(ctx, parameter)
		if err != nil {
			return nil, err
		}
		l.Log.Info("a server told to read text in another way", "parameter", parameter, "refused", start.Refused,
			"said", start.Said)
		all = append(all, start)
	}
	return all, nil
}

func (l *lab) startWith(ctx context.Context, parameter string) (Start, error) {
	dsn := l.cluster.DSN(cluster.Database)
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	server, err := l.cluster.AddServerWith(ctx,
		cluster.ServerOptions{Env: []string{"INTERLOCK_MYSQL=" + dsn + separator + parameter}})
	if err != nil {
		return Start{Parameter: parameter, Refused: true, Said: lastLine(err.Error())}, ctx.Err()
	}
	start := Start{Parameter: parameter}
	token, err := l.passenger("reader-" + parameter)
	if err == nil {
		err = load.AwaitRun(ctx, server.Addr(), l.attackedRun.ID)
	}
	if err == nil {
		var b bought
		b, err = buy(ctx, server.Addr(), token, wish{
			key: "reader-key", run: l.attackedRun.ID, from: 0, to: 1,
			passengers: []traveller{{hostile[0], "X0000", load.Classes[0]}},
		})
		start.Said = heardOf(b, err).text
		err = nil // what it says is the result
	}
	return start, errors.Join(err, l.cluster.RemoveServer(server))
}

// maxSaid bounds what is repeated of a server's last words.
const maxSaid = 300

// lastLine is the last line of a text that says something, without what a logger puts before it.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	for len(last) > maxSaid {
		_, size := utf8.DecodeLastRuneInString(last[:maxSaid])
		last = last[:maxSaid-size]
	}
	return last
}
