// A client under the control of a test, on Apache's Go client: the same command line and the same events as the
// Java drivers in interop/java/driver.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/apache/rocketmq-client-go/v2/rlog"
)

type fields map[string]any

var (
	outLock sync.Mutex
	out     = bufio.NewWriter(os.Stdout)
)

// emit writes one event as a line of JSON.
func emit(event string, members fields) {
	if members == nil {
		members = fields{}
	}
	members["event"] = event
	line, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	outLock.Lock()
	defer outLock.Unlock()
	fmt.Fprintln(out, string(line))
	out.Flush()
}

func fail(err error) {
	emit("error", fields{"text": err.Error()})
	os.Exit(1)
}

// options are `--name value` pairs, some of them repeatable.
type options map[string][]string

func parse(arguments []string) options {
	parsed := options{}
	for i := 0; i+1 < len(arguments); i += 2 {
		name := strings.TrimPrefix(arguments[i], "--")
		parsed[name] = append(parsed[name], arguments[i+1])
	}
	if len(arguments)%2 != 0 {
		fail(fmt.Errorf("no value for %s", arguments[len(arguments)-1]))
	}
	return parsed
}

func (o options) has(name string) bool { return len(o[name]) > 0 }

func (o options) text(name, otherwise string) string {
	if given := o[name]; len(given) > 0 {
		return given[len(given)-1]
	}
	return otherwise
}

func (o options) need(name string) string {
	if !o.has(name) {
		fail(fmt.Errorf("--%s is needed", name))
	}
	return o.text(name, "")
}

func (o options) number(name string, otherwise int) int {
	if !o.has(name) {
		return otherwise
	}
	value, err := strconv.Atoi(o.text(name, ""))
	if err != nil {
		fail(fmt.Errorf("--%s: %w", name, err))
	}
	return value
}

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("produce, consume or pull"))
	}
	given := parse(os.Args[2:])
	rlog.SetLogLevel("warn")
	stop := make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(stop) }) }
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() { <-signals; end() }()
	go func() { io.Copy(io.Discard, os.Stdin); end() }()
	go func() {
		time.Sleep(time.Duration(given.number("timeout-seconds", 60)) * time.Second)
		emit("timeout", nil)
		os.Exit(3)
	}()
	switch os.Args[1] {
	case "produce":
		produce(given, stop)
	case "consume":
		consume(given, stop)
	case "pull":
		pull(given, stop)
	default:
		fail(fmt.Errorf("unknown command %s; produce, consume or pull", os.Args[1]))
	}
}

// padded fills a body up with dots; reported bodies come without them.
func padded(text string, size int) []byte {
	return []byte(text + strings.Repeat(".", max(0, size-len(text))))
}

func unpadded(body []byte) string { return strings.TrimRight(string(body), ".") }
