// SPDX-License-Identifier: Apache-2.0
#include "ptp/kernel_source.hpp"

#include <sys/timex.h>

#include <algorithm>
#include <cstdlib>

#include "oracle/canary.hpp"
#include "platform/system_error.hpp"

namespace gnomon::ptp {
namespace {

tl::expected<KernelClockWord, SourceError> ask_kernel() {
  timex state{};
  const int status = adjtimex(&state);
  if (status < 0)
    return tl::make_unexpected(SourceError{SourceFault::kUnreadable, platform::system_error("ask adjtimex").text});
  KernelClockWord word;
  word.synchronised = status != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
  word.leap_announced = status == TIME_INS || status == TIME_DEL || status == TIME_OOP || status == TIME_WAIT;
  word.max_error = time::microseconds(state.maxerror);
  word.estimated_error = time::microseconds(state.esterror);
  const std::int64_t offset = std::llabs(state.offset);
  word.offset = (state.status & STA_NANO) != 0 ? time::nanoseconds(offset) : time::microseconds(offset);
  return word;
}

}  // namespace

ClaimOr kernel_claim(const ClockReading& reading, const KernelClockWord& word, Scale scale, time::CycleRate nominal) {
  if (!word.synchronised)
    return tl::make_unexpected(
        SourceError{SourceFault::kNotSynchronised,
                    "the kernel calls the system clock unsynchronised: run chronyd or ntpd, or use another source"});
  if (word.estimated_error == time::Duration{} || word.max_error < word.estimated_error)
    return tl::make_unexpected(SourceError{
        SourceFault::kPolicy,
        "whoever sets the system clock states no error (ptp4l, phc2sys and systemd-timesyncd do so): use the source "
        "ptp4l or chrony, or system with a bound that you state"});
  Claim claim;
  claim.at = reading.middle();
  claim.scale = scale;
  claim.reading_ns = reading.value;
  claim.terms.source = word.max_error;
  claim.terms.offset = word.offset;
  claim.terms.reading = canary::planted(canary::Bug::kDroppedWidth) ? time::Duration{} : reading.half_width(nominal);
  claim.root = {.reference = 0, .clock = ClockKind::kSystem, .bare_clock = true, .disciplines = false};
  claim.leap_announced = word.leap_announced;
  return claim;
}

void KernelSource::distrust() {
  distrusted_ = true;
  max_error_.reset();
}

void KernelSource::watch(time::Duration max_error) {
  if (max_error_ && max_error < *max_error_) distrusted_ = false;
  max_error_ = max_error;
}

News KernelSource::poll(time::CycleRate nominal) {
  const auto before = ask_kernel();
  const auto first = clock_.read(nominal);
  const auto second = clock_.read(nominal);
  const auto after = ask_kernel();
  if (!before) return tl::make_unexpected(before.error());
  if (!after) return tl::make_unexpected(after.error());
  if (!first) return tl::make_unexpected(first.error());
  if (!second) return tl::make_unexpected(second.error());
  KernelClockWord word = *after;
  word.synchronised = before->synchronised && after->synchronised;
  word.max_error = std::max(before->max_error, after->max_error);
  word.offset = std::max(before->offset, after->offset) + clock_moved(*first, *second, nominal);
  if (distrusted_) watch(word.max_error);
  auto said = kernel_claim(*second, word, scale_, nominal);
  if (!said || !distrusted_) return said;
  return tl::make_unexpected(SourceError{SourceFault::kSettling,
                                         "nobody has set the system clock since the cycle counter could not be trusted "
                                         "(the machine was suspended, moved or "
                                         "cloned): wait until its daemon measures again"});
}

}  // namespace gnomon::ptp
