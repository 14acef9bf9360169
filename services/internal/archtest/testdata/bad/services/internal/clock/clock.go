package clock

import (
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"
)

func init() {} // want no-init

func wait() {
	_ = os.Getenv("WAIT")        // want environment-in-app
	defer os.Exit(1)             // want exit-in-main
	defer log.Fatalln("no")      // want exit-in-main
	fmt.Println(time.Now())      // want output-is-handed-in
	slog.Info("now", "it", "is") // want no-process-globals
	time.Sleep(time.Second)      // want no-sleep
	panic("over")                // want errors-not-panics
}
