// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRoundLedger} from "../src/IRoundLedger.sol";
import {TestBase} from "./TestBase.sol";

contract ClaimsTest is TestBase {
    bytes32[] private aliceProof;
    bytes32[] private bobProof;

    function setUp() public override {
        super.setUp();
        ledger.fund(1000);
        _openRun(RUN);
    }

    function test_claimPaysTheOwnerWhoeverCalls() public {
        uint64 sequence = _settleTwo(1, 30, 12, 42);
        vm.expectEmit(address(ledger));
        emit IRoundLedger.RewardClaimed(ALICE, 30, 30);
        vm.prank(BOB);
        ledger.claim(sequence, 0, ALICE, 30, aliceProof);
        assertEq(token.balanceOf(ALICE), 30);
        assertEq(token.balanceOf(BOB), 0);
        assertEq(ledger.claimedWei(ALICE), 30);
        assertEq(ledger.unclaimedWei(), 12);
    }

    function test_laterClaimPaysOnlyTheDifference() public {
        uint64 first = _settleTwo(1, 30, 12, 42);
        ledger.claim(first, 0, ALICE, 30, aliceProof);
        uint64 second = _settleTwo(2, 75, 20, 53);
        vm.expectEmit(address(ledger));
        emit IRoundLedger.RewardClaimed(ALICE, 45, 75);
        ledger.claim(second, 0, ALICE, 75, aliceProof);
        assertEq(token.balanceOf(ALICE), 75);
    }

    function test_oneClaimCollectsManyRounds() public {
        _settleTwo(1, 30, 12, 42);
        _settleTwo(2, 75, 20, 53);
        ledger.claim(2, 1, BOB, 20, bobProof);
        assertEq(token.balanceOf(BOB), 20);
    }

    function test_rewardsCumulateOverRuns() public {
        ledger.claim(_settleTwo(1, 30, 12, 42), 0, ALICE, 30, aliceProof);
        _openRun(OTHER_RUN);
        (bytes32 root, bytes32[] memory proof,) = _twoAccounts(33, 12);
        uint64 sequence = _wholeRound(OTHER_RUN, 1, root, 3);
        vm.warp(block.timestamp + WINDOW_SECONDS);
        ledger.claim(sequence, 0, ALICE, 33, proof);
        assertEq(token.balanceOf(ALICE), 33);
    }

    function test_secondClaimOfTheSameLeafIsRefused() public {
        uint64 sequence = _settleTwo(1, 30, 12, 42);
        ledger.claim(sequence, 0, ALICE, 30, aliceProof);
        vm.expectRevert(abi.encodeWithSelector(IRoundLedger.NothingToClaim.selector, ALICE));
        ledger.claim(sequence, 0, ALICE, 30, aliceProof);
    }

    function test_olderLeafAfterANewerOnePaysNothing() public {
        _settleTwo(1, 30, 12, 42);
        bytes32[] memory olderProof = aliceProof;
        _settleTwo(2, 75, 20, 53);
        ledger.claim(2, 0, ALICE, 75, aliceProof);
        vm.expectRevert(abi.encodeWithSelector(IRoundLedger.NothingToClaim.selector, ALICE));
        ledger.claim(1, 0, ALICE, 30, olderProof);
    }

    function test_rewardOfZeroIsNothingToClaim() public {
        uint64 sequence = _settleTwo(1, 0, 12, 12);
        vm.expectRevert(abi.encodeWithSelector(IRoundLedger.NothingToClaim.selector, ALICE));
        ledger.claim(sequence, 0, ALICE, 0, aliceProof);
    }

    function testFuzz_anyOtherLeafIsRefused(uint256 index, address account, uint256 cumulativeWei) public {
        uint64 sequence = _settleTwo(1, 30, 12, 42);
        if (index == 0 && account == ALICE && cumulativeWei == 30) return;
        _expectProofInvalid(sequence, index, account, cumulativeWei);
        ledger.claim(sequence, index, account, cumulativeWei, aliceProof);
    }

    function testFuzz_anyOtherProofIsRefused(bytes32[] calldata proof) public {
        uint64 sequence = _settleTwo(1, 30, 12, 42);
        if (proof.length == 1 && proof[0] == aliceProof[0]) return;
        _expectProofInvalid(sequence, 0, ALICE, 30);
        ledger.claim(sequence, 0, ALICE, 30, proof);
    }

    function test_claimWaitsForTheChallengeWindow() public {
        (bytes32 root, bytes32[] memory proof,) = _twoAccounts(30, 12);
        uint64 claimableAt = uint64(block.timestamp) + WINDOW_SECONDS;
        uint64 sequence = _wholeRound(RUN, 1, root, 42);
        (bytes32 recordedRoot, uint64 recordedTime) = ledger.rewardsOf(sequence);
        assertEq(recordedRoot, root);
        assertEq(recordedTime, claimableAt);

        vm.warp(claimableAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IRoundLedger.NotYetClaimable.selector, sequence, claimableAt));
        ledger.claim(sequence, 0, ALICE, 30, proof);
        vm.warp(claimableAt);
        ledger.claim(sequence, 0, ALICE, 30, proof);
        assertEq(token.balanceOf(ALICE), 30);
    }

    function test_unknownSettlementIsRefused() public {
        bytes memory unknown = abi.encodeWithSelector(IRoundLedger.SettlementUnknown.selector, 1);
        vm.expectRevert(unknown);
        ledger.claim(1, 0, ALICE, 30, aliceProof);
        vm.expectRevert(unknown);
        ledger.rewardsOf(1);
    }

    function test_settlementBeyondTheTreasuryIsRefused() public {
        _settleTwo(1, 600, 0, 600);
        _openRound(RUN, 2);
        _commit(RUN, 2);
        vm.expectRevert(abi.encodeWithSelector(IRoundLedger.TreasuryShort.selector, 400, 401));
        _settle(RUN, 2, "rewards", 401);
        _settle(RUN, 2, "rewards", 400);
        assertEq(ledger.treasuryWei(), 0);
    }

    function test_rootThatPromisesTooMuchCannotTouchTheTreasury() public {
        uint64 sequence = _settleTwo(1, 500, 12, 42);
        vm.expectRevert(abi.encodeWithSelector(IRoundLedger.RewardsExceeded.selector, 42, 500));
        ledger.claim(sequence, 0, ALICE, 500, aliceProof);
        assertEq(ledger.treasuryWei(), 958);
    }

    function test_fundingIsRecordedAndCounts() public {
        vm.expectEmit(address(ledger));
        emit IRoundLedger.TreasuryFunded(address(this), 5);
        ledger.fund(5);
        assertEq(ledger.treasuryWei(), 1005);
    }

    /// @dev Settle a round with Alice's and Bob's totals, let the window pass and keep the proofs.
    function _settleTwo(uint64 round, uint256 aliceWei, uint256 bobWei, uint128 rewardedWei)
        private
        returns (uint64 sequence)
    {
        bytes32 root;
        (root, aliceProof, bobProof) = _twoAccounts(aliceWei, bobWei);
        sequence = _wholeRound(RUN, round, root, rewardedWei);
        vm.warp(block.timestamp + WINDOW_SECONDS);
    }

    function _expectProofInvalid(uint64 sequence, uint256 index, address account, uint256 cumulativeWei) private {
        vm.expectRevert(
            abi.encodeWithSelector(IRoundLedger.ProofInvalid.selector, sequence, index, account, cumulativeWei)
        );
    }
}
