package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
)

// configIn runs `interlock config` in a folder with an interlock.yaml.
func configIn(t *testing.T, file string, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile(defaultSettingsFile, []byte(file), 0o600))
	var out, errs bytes.Buffer
	code = run(append([]string{"config"}, arguments...), &out, &errs)
	return code, out.String(), errs.String()
}

func TestSettings_FlagThenVariableThenFileThenDefault(t *testing.T) {
	const file = "hold: 1m\nlisten: 127.0.0.1:1\nmax-open-holds: 1\nallowed-origins: [https://file.example]\n"
	t.Setenv("INTERLOCK_HOLD", "2m")
	t.Setenv("INTERLOCK_LISTEN", "127.0.0.1:2")
	t.Setenv("INTERLOCK_ALLOWED_ORIGINS", "https://variable.example,https://other.example")
	code, out, errs := configIn(t, file, "--hold", "3m")
	require.Zero(t, code, errs)
	require.Contains(t, out, "\nhold: 3m0s\n", "a flag goes before all")
	require.Contains(t, out, "listen: 127.0.0.1:2\n", "a variable goes before the file")
	require.Contains(t, out, "- https://variable.example\n- https://other.example\n")
	require.NotContains(t, out, "file.example")
	require.Contains(t, out, "\nmax-open-holds: 1\n", "the file goes before the default")
	require.Contains(t, out, "\nsale-closes-before: 5m0s\n", "what nobody gives is the default")
}

func TestSettings_ANamedFileGoesBeforeTheOneBesideUs(t *testing.T) {
	named := t.TempDir() + "/named.yaml"
	require.NoError(t, os.WriteFile(named, []byte("hold: 2m\n"), 0o600))
	for _, how := range []string{"flag", "variable"} {
		t.Run(how, func(t *testing.T) {
			var arguments []string
			if how == "flag" {
				arguments = []string{"--config", named}
			} else {
				t.Setenv("INTERLOCK_CONFIG", named)
			}
			code, out, errs := configIn(t, "hold: 1m\nmax-open-holds: 1\n", arguments...)
			require.Zero(t, code, errs)
			require.Contains(t, out, "\nhold: 2m0s\n")
			require.Contains(t, out, "\nmax-open-holds: 1\n")
		})
	}
	code, _, errs := configIn(t, "", "--config", "/nowhere/named.yaml")
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, "/nowhere/named.yaml")
}

// A value is the text in the file, as a flag would take it. YAML's guesses about numbers do not count.
func TestSettings_AreTakenAsWritten(t *testing.T) {
	code, out, errs := configIn(t, `# settings
redis-username: 0123
redis: [127.0.0.1:1, '127.0.0.1:2']
lock-redis: 127.0.0.1:3,127.0.0.1:4
redis-cluster: yes
roles-claim: "a.b"   # a comment
oidc-audience:
`)
	require.Zero(t, code, errs)
	require.Contains(t, out, `redis-username: "0123"`)
	require.Contains(t, out, "redis:\n- 127.0.0.1:1\n- 127.0.0.1:2\n")
	require.Contains(t, out, "lock-redis:\n- 127.0.0.1:3\n- 127.0.0.1:4\n")
	require.Contains(t, out, "redis-cluster: true\n")
	require.Contains(t, out, "roles-claim: a.b\n")
}

func TestSettings_MistakesAreToldWithTheirLine(t *testing.T) {
	for _, c := range []struct{ name, file, says string }{
		{"unknown", "hold: 1m\n\nholdd: 1m\n", `interlock.yaml:3: there is no setting "holdd"`},
		{"a flag of a command", "jump-versions: true\n", `interlock.yaml:1: there is no setting "jump-versions"`},
		{"a command", "serve: {demo: true}\n", "interlock.yaml:1: serve is a text"},
		{"the file itself", "config: other.yaml\n", `there is no setting "config"`},
		{"twice", "hold: 1m\nlisten: 127.0.0.1:1\nhold: 2m\n", "interlock.yaml:3: "},
		{"no duration", "listen: 127.0.0.1:1\nhold: soon\n", "interlock.yaml:2: "},
		{"not one of the choices", "durability: forever\n", "durability"},
		{"a list of lists", "redis: [[a]]\n", "interlock.yaml:1: redis is a text"},
		{"no mapping", "- hold\n", "interlock.yaml:1: a line is a setting"},
		{"two documents", "hold: 1m\n---\nhold: 2m\n", "more than one document"},
		{"not YAML", "document-key: topsecret\nhold: [1m\n", "interlock.yaml:"},
		{"too long", strings.Repeat("#", maxSettingsBytes+1), "longer than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := configIn(t, c.file)
			require.Equal(t, exitCouldNotSee, code, out)
			require.Empty(t, out)
			require.Contains(t, errs, c.says)
			require.NotContains(t, errs, "topsecret")
		})
	}
	for _, empty := range []string{"", "# nothing\n", "---\n"} {
		code, _, errs := configIn(t, empty)
		require.Zero(t, code, "%q: %s", empty, errs)
	}
}

func TestSettings_AFileThatCannotBeReadIsNotPassedOver(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir(defaultSettingsFile, 0o700))
	var out, errs bytes.Buffer
	require.Equal(t, exitCouldNotSee, run([]string{"config"}, &out, &errs))
	require.Contains(t, errs.String(), defaultSettingsFile)
}

// The flags of one command have no variables: one that is left over must not raise versions, or print a version and
// end.
func TestSettings_FlagsOfCommandsAreNoVariables(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, value := range map[string]string{
		"JUMP_VERSIONS": "true", "DEMO": "true", "DEMO_DAYS": "7", "JSON": "true", "VERSION": "true", "HELP": "true",
		"SUBJECT": "eve", "ROLE": "ADMIN", "DAYS": "7",
	} {
		t.Setenv(variablePrefix+name, value)
	}
	var out, errs bytes.Buffer
	require.Zero(t, run([]string{"config"}, &out, &errs), errs.String())
	require.Contains(t, out.String(), "listen:")
	out.Reset()
	require.Equal(t, exitCouldNotSee, run([]string{"token"}, &out, &errs))
	require.Contains(t, errs.String(), "missing flags: --role=ROLE,..., --subject=STRING")
	for _, command := range []string{"rebuild", "serve", "import", "token", "verify"} {
		out.Reset()
		require.Zero(t, run([]string{command, "--help"}, &out, &errs))
		for _, own := range []string{"JUMP_VERSIONS", "DEMO", "DEMO_DAYS", "JSON", "VERSION", "ROLE", "DAYS"} {
			require.NotContains(t, out.String(), "$"+variablePrefix+own+")", command)
		}
		require.Contains(t, out.String(), "$INTERLOCK_LOCK_REDIS", "the help names the variable of a setting")
	}
}

// What `interlock config` prints can be used again.
func TestSettings_ConfigReadsWhatItPrinted(t *testing.T) {
	_, first, _ := configIn(t, "", "--hold", "7m", "--redis", "127.0.0.1:1,127.0.0.1:2", "--roles-claim", "0123",
		"--log-level", "WARN")
	code, second, errs := configIn(t, first)
	require.Zero(t, code, errs)
	require.Equal(t, first, second)
	require.Contains(t, second, "hold: 7m0s")
}

// The ledger's members are given like every list: repeated, with commas between them, or as a list of the file.
func TestSettings_MembersOfTheLedger(t *testing.T) {
	const a, b = "root@tcp(db1:3306)/interlock", "root@tcp(db2:3306)/interlock"
	const shown = "mysql:\n- " + a + "\n- " + b + "\n"
	for name, c := range map[string]struct {
		file, variable string
		arguments      []string
	}{
		"repeated":    {arguments: []string{"--mysql", a, "--mysql", b}},
		"with commas": {arguments: []string{"--mysql", a + "," + b}},
		"variable":    {variable: a + "," + b},
		"file":        {file: "mysql:\n- " + a + "\n- " + b + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.variable != "" {
				t.Setenv("INTERLOCK_MYSQL", c.variable)
			}
			code, out, errs := configIn(t, c.file, c.arguments...)
			require.Zero(t, code, errs)
			require.Contains(t, out, shown)
		})
	}
	_, out, errs := configIn(t, "mysql: "+a+"\n")
	require.Contains(t, out, "mysql:\n- "+a+"\n", errs)
	_, out, errs = configIn(t, "", "--mysql", `root:a\,b@tcp(db1:3306)/interlock`)
	require.Contains(t, out, "mysql:\n- root:(hidden)@tcp(db1:3306)/interlock\n", errs)

	cluster := Settings{
		MySQL: []string{a, b}, Redis: []string{"c:1"}, LockRedis: []string{"l:1", "l:2", "l:3"},
		DocumentKey:         strings.Repeat("k", minDocumentKey),
		PersonalDataKeys:    []string{ledgertest.OldKey},
		Durability:          sqlledger.Replicated,
		MaxStreamsPerViewer: 1, MaxWatchedPerViewer: 1, MaxStreamsPerAddress: 1, MaxWatchedPerAddress: 1,
	}
	require.NoError(t, cluster.validate())
	require.Equal(t, cluster.MySQL, ledgerOptions(&cluster).Members)
	require.Empty(t, ledgerOptions(&cluster).DSN)
	local, replica := cluster, cluster
	local.Durability, replica.MySQLReplica = sqlledger.Local, a
	sealed, forgotten := cluster, cluster
	sealed.PersonalDataKeys, forgotten.ForgetPassengersAfterDays = nil, -1
	require.ErrorContains(t, sealed.validate(), "--mysql needs --personal-data-keys")
	require.ErrorContains(t, forgotten.validate(), "--forget-passengers-after-days")
	require.ErrorContains(t, local.validate(), "--durability local goes with one --mysql")
	require.ErrorContains(t, replica.validate(), "--mysql-replica goes with one --mysql")
}
