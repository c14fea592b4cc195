package supervisor

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"aerie/calico/driver"
)

// sessions are the BGP sessions of this node: how many are established, and the peers of the others.
type sessions struct {
	Established int      `json:"established"`
	Total       int      `json:"total"`
	Down        []string `json:"down,omitempty"`
}

// birdSessions asks BIRD over its control socket.
func birdSessions(ctx context.Context) (sessions, error) {
	text, err := birdCommand(ctx, "show protocols")
	return parseProtocols(text), err
}

// birdCommand gives BIRD's answer, line by line.  Its last line has a code and no dash after it.
func birdCommand(ctx context.Context, command string) ([]string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", birdControl)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	lines := bufio.NewScanner(conn)
	if !lines.Scan() { // the greeting
		return nil, fmt.Errorf("BIRD says nothing: %w", lines.Err())
	}
	if _, err := conn.Write([]byte(command + "\n")); err != nil {
		return nil, err
	}
	var text []string
	for lines.Scan() {
		line := lines.Text()
		text = append(text, line)
		if len(line) >= 5 && line[4] == ' ' && line[0] != ' ' {
			break
		}
	}
	return text, lines.Err()
}

// fixedFunction is BIRD's function that prefers the newest owner of a fixed address, and of its IPv6 twin.
func fixedFunction(since map[string]int64, twins driver.Twins) string {
	var b strings.Builder
	b.WriteString("# Written by the Docker driver: this node's fixed addresses, and since when it has them.\nfunction newest_first() {\n")
	for _, ip := range slices.Sorted(maps.Keys(since)) {
		preference := uint32(max(since[ip], 101))
		fmt.Fprintf(&b, "  if net = %s/32 then bgp_local_pref = %d;\n", ip, preference)
		if six := twins.Of(net.ParseIP(ip)); six != nil {
			fmt.Fprintf(&b, "  if net = %s/128 then bgp_local_pref = %d;\n", six, preference)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// publishFixed writes that function and lets BIRD read it, if it runs.
func publishFixed(since map[string]int64, twins driver.Twins) {
	text := fixedFunction(since, twins)
	if old, err := os.ReadFile(birdFixed); err == nil && string(old) == text {
		return
	}
	if err := os.WriteFile(birdFixed+".new", []byte(text), 0o644); err != nil {
		say("%v", err)
		return
	}
	if err := os.Rename(birdFixed+".new", birdFixed); err != nil {
		say("%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	// Without BIRD there is nothing to do: it will read the file when it starts.
	if text, err := birdCommand(ctx, "configure"); err == nil && len(text) > 0 && strings.HasPrefix(text[len(text)-1], "8") {
		say("BIRD refuses its configuration: %s", text[len(text)-1])
	}
}

// parseProtocols reads BIRD's table: name, type, table, state, since, and for BGP the session's state.
func parseProtocols(lines []string) sessions {
	var s sessions
	for _, line := range lines {
		line = strings.TrimPrefix(strings.TrimPrefix(line, "1002-"), "1002 ")
		f := strings.Fields(line)
		if len(f) < 4 || f[1] != "BGP" {
			continue
		}
		s.Total++
		if strings.HasSuffix(strings.TrimSpace(line), "Established") {
			s.Established++
		} else {
			s.Down = append(s.Down, f[0])
		}
	}
	return s
}
