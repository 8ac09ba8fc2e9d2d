package proxy_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/lab/proxy"
)

// What the member below says: that a statement went well and the transaction is open, that it is closed and more
// follows, and what follows.
var (
	ok        = []byte{7, 0, 0, 1, 0, 1, 0xfc, 9, 1, 0x03, 0}
	committed = []byte{5, 0, 0, 1, 0, 0, 0, 0x0a, 0}
	status    = []byte{3, 0, 0, 2, 'O', 'N', '!'}
)

// answerTo is what it says to a text.
func answerTo(text string) []byte {
	var said []byte
	for statement := range strings.SplitSeq(text, "; ") {
		switch {
		case statement == "COMMIT":
			said = append(said, committed...)
		case strings.HasPrefix(statement, "SELECT"):
			said = append(said, status...)
		default:
			said = append(said, ok...)
		}
	}
	return said
}

// limit is far longer than anything here takes.
const limit = 10 * time.Second

// greeting is what it says first.
var greeting = []byte("hello")

// member greets and answers every command, as MySQL's protocol has it, and tells what it is asked.
func member(t *testing.T) (addr string, asked chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	asked = make(chan string, 1_000)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				header := make([]byte, 4)
				if _, err := conn.Write(greeting); err != nil {
					return
				}
				for {
					if _, err := io.ReadFull(conn, header); err != nil {
						asked <- "hung up"
						return
					}
					body := make([]byte, int(header[0])+int(header[1])<<8)
					if _, err := io.ReadFull(conn, body); err != nil {
						return
					}
					asked <- string(body[1:])
					for piece := range slices.Chunk(answerTo(string(body[1:])), 1+len(body)%9) {
						if _, err := conn.Write(piece); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	return listener.Addr().String(), asked
}

func open(t *testing.T, addr string) *proxy.Proxy {
	t.Helper()
	l, err := proxy.Open(addr)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func connect(t *testing.T, l *proxy.Proxy) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", l.Addr(), limit)
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(limit)))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// greeted is a connection whose member has greeted.
func greeted(t *testing.T, l *proxy.Proxy) net.Conn {
	t.Helper()
	conn := connect(t, l)
	_, err := io.ReadFull(conn, make([]byte, len(greeting)))
	require.NoError(t, err)
	return conn
}

func command(text string) []byte {
	n := 1 + len(text)
	return append([]byte{byte(n), byte(n >> 8), 0, 0, 3}, text...)
}

// TestProxy_Cut says that answers to COMMIT break off at every byte, from none of it to the whole of it. Nothing else
// breaks off, in pieces of any size: neither the answers before and behind it, nor other answers.
func TestProxy_Cut(t *testing.T) {
	addr, _ := member(t)
	l, cutter := open(t, addr), proxy.NewCutter()
	l.Cut(cutter)
	length := len(committed) + len(status)
	const ahead = "UPDATE a; COMMIT; SELECT 1; START TRANSACTION; SELECT 2"
	at, pieces := []int{}, 0
	for len(at) < 2*(length+1) {
		conn := greeted(t, l)
		for _, text := range []string{
			"SELECT 2", "COMMIT", ahead, "UPDATE a; INSERT b; COMMIT; SELECT 1", "START TRANSACTION; SELECT 1",
			"COMMIT; SELECT 1", "SELECT 3",
		} {
			pieces++
			for piece := range slices.Chunk(command(text), 1+pieces%7) {
				if _, err := conn.Write(piece); err != nil {
					break // it was cut after the whole of the last answer
				}
			}
			want := answerTo(text)
			got := make([]byte, len(want))
			n, err := io.ReadFull(conn, got)
			require.Equal(t, want[:n], got[:n], text)
			if err == nil {
				continue
			}
			if _, behind, ok := strings.Cut(text, "COMMIT; SELECT 1; "); ok {
				want = want[:len(want)-len(answerTo(behind))]
			}
			if before := len(want) - length; strings.Contains(text, "COMMIT; S") && n >= before {
				at = append(at, n-before)
			} else if n == 0 {
				at = append(at, length)
			} else {
				require.Fail(t, "cut", "%s at %d", text, n)
			}
			break
		}
		_ = conn.Close()
	}
	want := []int{}
	for n := range len(at) {
		want = append(want, n%(length+1))
	}
	require.Equal(t, want, at)
	require.Equal(t, proxy.Cuts{AnswerBytes: length, Answers: len(at)}, cutter.Cuts())
}

// TestProxy_Swallow says that neither words nor the end of a connection pass, and that afterwards what was begun is
// over.
func TestProxy_Swallow(t *testing.T) {
	addr, asked := member(t)
	l := open(t, addr)
	conn := greeted(t, l)
	ask := func(conn net.Conn) {
		_, err := conn.Write(command("SELECT 1"))
		require.NoError(t, err)
	}
	ask(conn)
	_, err := io.ReadFull(conn, make([]byte, len(status)))
	require.NoError(t, err)
	require.Equal(t, "SELECT 1", <-asked)

	require.NoError(t, l.Swallow())
	ask(conn)
	late := connect(t, l)
	ask(late)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool { up, _ := l.Swallowed(); return up == int64(len(command("SELECT 1"))) }, limit,
		time.Millisecond)
	require.Empty(t, asked, "nothing arrives")

	l.Heal(t.Context())
	require.Equal(t, "hung up", <-asked)
	_, err = io.ReadFull(late, make([]byte, len(greeting)+len(status)))
	require.NoError(t, err, "who came meanwhile is heard at last")
}

func TestProxy_Delay(t *testing.T) {
	addr, _ := member(t)
	l := open(t, addr)
	conn := greeted(t, l)
	for _, by := range []time.Duration{150 * time.Millisecond, 50 * time.Millisecond} {
		require.NoError(t, l.Delay(by))
		begun := time.Now()
		_, err := conn.Write(command("SELECT 1"))
		require.NoError(t, err)
		got := make([]byte, len(status))
		_, err = io.ReadFull(conn, got)
		require.NoError(t, err)
		require.True(t, bytes.Equal(status, got))
		require.GreaterOrEqual(t, time.Since(begun), by)
	}
	l.Heal(t.Context())
}

// TestProxy_NobodyThere says that a server learns when there is no member.
func TestProxy_NobodyThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())
	_, err = connect(t, open(t, addr)).Read(make([]byte, 1))
	require.Error(t, err)
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded))
}
