package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// chosen picks the queue that a message's sharding key names, of all queues in order; a message without one goes round.
type chosen struct {
	lock sync.Mutex
	next int
}

func (c *chosen) Select(message *primitive.Message, queues []*primitive.MessageQueue, _ string) *primitive.MessageQueue {
	sorted := append([]*primitive.MessageQueue{}, queues...)
	sort.Slice(sorted, func(i, j int) bool {
		if sorted[i].BrokerName != sorted[j].BrokerName {
			return sorted[i].BrokerName < sorted[j].BrokerName
		}
		return sorted[i].QueueId < sorted[j].QueueId
	})
	c.lock.Lock()
	defer c.lock.Unlock()
	at := c.next
	if key := message.GetShardingKey(); key != "" {
		at, _ = strconv.Atoi(key)
	} else {
		c.next++
	}
	return sorted[at%len(sorted)]
}

func produce(given options, stop <-chan struct{}) {
	client, err := rocketmq.NewProducer(
		producer.WithNameServer([]string{given.need("namesrv")}),
		producer.WithGroupName(given.text("group", "driver-producer")),
		producer.WithInstanceName(given.text("instance", fmt.Sprintf("producer-%d", os.Getpid()))),
		producer.WithSendMsgTimeout(time.Duration(given.number("send-timeout-ms", 10000))*time.Millisecond),
		producer.WithCompressMsgBodyOverHowmuch(given.number("compress-above", 4096)),
		producer.WithQueueSelector(&chosen{}),
		producer.WithRetry(2),
	)
	if err != nil {
		fail(err)
	}
	if err := client.Start(); err != nil {
		fail(err)
	}
	defer client.Shutdown()
	emit("ready", nil)
	count := given.number("count", 1)
	modes := strings.Split(given.text("mode", "sync"), ",")
	prefix := given.text("body-prefix", "message-")
	for _, mode := range modes {
		if len(modes) > 1 {
			// With several modes in turn, the bodies name theirs.
			given["body-prefix"] = []string{prefix + mode + "-"}
		}
		switch mode {
		case "batch":
			batches(client, given, count)
		case "async":
			asynchronous(client, given, count)
		default:
			one(client, given, mode, count, stop)
		}
	}
	emit("done", nil)
}

func one(client rocketmq.Producer, given options, mode string, count int, stop <-chan struct{}) {
	shards := given.number("shards", 4)
	for i := 0; i < count; i++ {
		message := message(given, i)
		members := fields{"body": unpadded(message.Body)}
		switch mode {
		case "sync":
		case "oneway":
			if err := client.SendOneWay(context.Background(), message); err != nil {
				fail(err)
			}
			emit("sent", members)
			continue
		case "queue":
			message.WithShardingKey(strconv.Itoa(given.number("queue", i)))
		case "orderly":
			message.WithShardingKey(strconv.Itoa(i % shards))
			members["shard"] = i % shards
		default:
			fail(fmt.Errorf("mode %s is not for this driver", mode))
		}
		result, err := client.SendSync(context.Background(), message)
		if err != nil {
			fail(err)
		}
		sent(members, result)
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(given.number("interval-ms", 0)) * time.Millisecond):
		}
	}
}

func batches(client rocketmq.Producer, given options, count int) {
	size := given.number("batch-size", 10)
	for start := 0; start < count; start += size {
		var batch []*primitive.Message
		for i := start; i < min(count, start+size); i++ {
			batch = append(batch, message(given, i))
		}
		result, err := client.SendSync(context.Background(), batch...)
		if err != nil {
			fail(err)
		}
		ids := strings.Split(result.MsgID, ",")
		places := strings.Split(result.OffsetMsgID, ",")
		first := result.QueueOffset
		for i, message := range batch {
			part := *result
			part.MsgID, part.OffsetMsgID = "", ""
			if i < len(ids) {
				part.MsgID = ids[i]
			}
			if i < len(places) {
				part.OffsetMsgID = places[i]
			}
			part.QueueOffset = first + int64(i)
			sent(fields{"body": unpadded(message.Body)}, &part)
		}
	}
}

func asynchronous(client rocketmq.Producer, given options, count int) {
	var answers sync.WaitGroup
	window := make(chan struct{}, 64)
	for i := 0; i < count; i++ {
		message := message(given, i)
		window <- struct{}{}
		answers.Add(1)
		err := client.SendAsync(context.Background(), func(_ context.Context, result *primitive.SendResult, err error) {
			defer answers.Done()
			<-window
			if err != nil {
				fail(err)
			}
			sent(fields{"body": unpadded(message.Body)}, result)
		}, message)
		if err != nil {
			fail(err)
		}
	}
	answers.Wait()
}

func message(given options, number int) *primitive.Message {
	body := padded(fmt.Sprintf("%s%d", given.text("body-prefix", "message-"), number), given.number("size", 0))
	message := primitive.NewMessage(given.need("topic"), body)
	if tags := given["tag"]; len(tags) > 0 {
		message.WithTag(tags[number%len(tags)])
	}
	if given.has("keys") {
		message.WithKeys([]string{fmt.Sprintf("%s%d", given.text("keys", ""), number)})
	}
	if given.has("delay-level") {
		message.WithDelayTimeLevel(given.number("delay-level", 1))
	}
	for _, property := range given["property"] {
		name, value, _ := strings.Cut(property, "=")
		message.WithProperty(name, strings.ReplaceAll(value, "{i}", strconv.Itoa(number)))
	}
	return message
}

func sent(members fields, result *primitive.SendResult) {
	members["msgId"] = result.MsgID
	members["offsetMsgId"] = result.OffsetMsgID
	members["queueOffset"] = result.QueueOffset
	status := map[primitive.SendStatus]string{
		primitive.SendOK: "SEND_OK", primitive.SendFlushDiskTimeout: "FLUSH_DISK_TIMEOUT",
		primitive.SendFlushSlaveTimeout: "FLUSH_SLAVE_TIMEOUT", primitive.SendSlaveNotAvailable: "SLAVE_NOT_AVAILABLE",
	}[result.Status]
	members["status"] = status
	if result.MessageQueue != nil {
		members["queueId"] = result.MessageQueue.QueueId
		members["broker"] = result.MessageQueue.BrokerName
	}
	emit("sent", members)
}
