// SPDX-License-Identifier: Apache-2.0
#include "client/id_stream.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "client/client_state.hpp"
#include "client/stock.hpp"

namespace gnomon::client {
namespace {

constexpr std::uint32_t kMaxBatch = 1'000'000;
constexpr time::Duration kMinAge = time::milliseconds(1);
constexpr time::Duration kMaxAge = time::seconds(3600);

/// The stock of one process, its lock, and who waits for it. Kept alive by the stream and by the order that is out.
struct Shelf {
  explicit Shelf(const StreamOptions& options) : stock(options) {}

  std::mutex mutex;
  std::condition_variable changed;
  Stock stock;
};

/// An order: its ranges go onto the shelf as they come; deletes itself with the last outcome.
class Order final : public PendingCall {
 public:
  explicit Order(std::shared_ptr<Shelf> shelf) : shelf_(std::move(shelf)) {}

  void take(Outcome outcome) override {
    const std::unique_ptr<Order> self(outcome.last ? this : nullptr);
    const std::lock_guard lock(shelf_->mutex);
    const time::Uptime now = read_uptime();
    if (outcome.range.count > 0) shelf_->stock.arrived(now, outcome.range);
    if (outcome.error)
      shelf_->stock.failed(now, std::move(*outcome.error));
    else if (outcome.last)
      shelf_->stock.complete();
    shelf_->changed.notify_all();
  }

 private:
  std::shared_ptr<Shelf> shelf_;
};

/// What ForkSafe keeps one of per process.
struct ShelfOfProcess {
  explicit ShelfOfProcess(const StreamOptions& options) : shelf(std::make_shared<Shelf>(options)) {}
  void abandon() {}  // memory only, and another thread of the parent may have been changing it

  std::shared_ptr<Shelf> shelf;
};

Result<std::unique_ptr<ShelfOfProcess>> make_shelf(const StreamOptions& options) {
  return std::make_unique<ShelfOfProcess>(options);
}

Error bad_argument(std::string text) { return {ErrorKind::kBadArgument, std::move(text), {}, {}}; }

}  // namespace

class StreamState {
 public:
  StreamState(std::shared_ptr<ClientState> client, const StreamOptions& options)
      : client_(std::move(client)),
        options_(options),
        socket_(client_->next_stream()),
        shelf_(std::make_unique<ShelfOfProcess>(options)) {}

  Result<id::Id> next() {
    const auto own = shelf_.get([this] { return make_shelf(options_); });
    if (!own) return tl::make_unexpected(own.error());
    const std::shared_ptr<Shelf>& shelf = (*own)->shelf;
    std::unique_lock lock(shelf->mutex);
    const time::Uptime now = read_uptime();
    if (const auto id = shelf->stock.take(now)) [[likely]] {
      if (shelf->stock.is_low(now)) order(shelf, lock);
      return *id;
    }
    return wait(shelf, lock);
  }

  [[nodiscard]] StreamStats stats() const {
    const ShelfOfProcess* own = shelf_.peek();
    if (own == nullptr) return {};
    const std::lock_guard lock(own->shelf->mutex);
    return own->shelf->stock.stats();
  }

 private:
  // Nothing is left: what comes next is the outcome of the order that is out, or of one that goes out now.
  Result<id::Id> wait(const std::shared_ptr<Shelf>& shelf, std::unique_lock<std::mutex>& lock) {
    if (const auto io = client_->io_for_waiting(); !io) return tl::make_unexpected(io.error());
    shelf->stock.waited();
    while (true) {
      if (!shelf->stock.ordered()) order(shelf, lock);
      const std::uint64_t order_number = shelf->stock.orders();
      shelf->changed.wait(lock, [&] {
        return shelf->stock.left() > 0 || !shelf->stock.ordered() || shelf->stock.orders() != order_number;
      });
      if (const auto id = shelf->stock.take(read_uptime())) return *id;
      const std::optional<Error>& error = shelf->stock.error();
      if (!shelf->stock.ordered() && error) return tl::make_unexpected(*error);
    }
  }

  // Orders more. The lock is let go for the hand-over, because the I/O thread takes it to deliver.
  void order(const std::shared_ptr<Shelf>& shelf, std::unique_lock<std::mutex>& lock) {
    auto order = std::make_unique<Order>(shelf);
    order->call.layout = options_.layout;
    order->call.count = shelf->stock.order();
    order->call.gather = Gather::kAll;
    order->call.socket = socket_;
    lock.unlock();
    const auto io = client_->io();
    const Result<void> accepted = io ? (*io)->submit(*order) : tl::make_unexpected(io.error());
    [[maybe_unused]] const Order* on_its_own = accepted ? order.release() : nullptr;
    lock.lock();
    if (accepted) return;
    shelf->stock.failed(read_uptime(), accepted.error());
    shelf->changed.notify_all();
  }

  std::shared_ptr<ClientState> client_;
  StreamOptions options_;
  std::uint32_t socket_;
  ForkSafe<ShelfOfProcess> shelf_;
};

Result<IdStream> IdStream::open(Client& client, const StreamOptions& options) {
  const auto refuse = [](std::string text) { return tl::make_unexpected(bad_argument(std::move(text))); };
  if (options.layout.value == 0 || options.layout.value > id::kLastCustomLayout)
    return refuse("layout " + std::to_string(options.layout.value) +
                  " does not exist: 1 to 15 are built in, 16 to 255 are custom");
  if (options.min_batch < 1 || options.min_batch > options.max_batch || options.max_batch > kMaxBatch)
    return refuse("batches of " + std::to_string(options.min_batch) + " to " + std::to_string(options.max_batch) +
                  " IDs can't be used; choose 1 <= min_batch <= max_batch <= " + std::to_string(kMaxBatch));
  if (options.max_age < kMinAge || options.max_age > kMaxAge)
    return refuse("a max_age of " + std::to_string(options.max_age.ns) + " ns can't be used; choose 1 ms to an hour");
  return IdStream(std::make_unique<StreamState>(client.state_, options));
}

IdStream::IdStream(std::unique_ptr<StreamState> state) : state_(std::move(state)) {}
IdStream::IdStream(IdStream&&) noexcept = default;
IdStream& IdStream::operator=(IdStream&&) noexcept = default;
IdStream::~IdStream() = default;

Result<id::Id> IdStream::next() { return state_->next(); }
StreamStats IdStream::stats() const { return state_->stats(); }

}  // namespace gnomon::client
